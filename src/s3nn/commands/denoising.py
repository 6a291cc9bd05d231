"""denoise: a picture without its noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from s3nn.commands.flags import parse
from s3nn.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 11  # pixels a side for the windows of SSIM


@dataclass(frozen=True)
class DenoiseFlags:
    """Write a picture without its noise; say how near it is to the true one, where it is known."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder of a denoiser."""
    image: Annotated[Path, tyro.conf.Positional]
    """A picture of any size, grey or RGB; colours are cleaned one by one by a grey network."""
    out: Path | None = None
    """Where the cleaned picture goes (default: IMAGE-denoised.png, beside it)."""
    sigma: float | None = None
    """Add noise of so many grey levels of 255 first: the picture is the true one."""
    seed: int = 0
    """Of the noise that is added."""
    reference: Path | None = None
    """The true picture, to say how near the noisy and the cleaned one are to it."""


def denoise(words: list[str]) -> None:
    flags = parse(DenoiseFlags, "denoise", words)
    out = flags.out or flags.image.with_name(f"{flags.image.stem}-denoised.png")
    if flags.sigma is not None and flags.reference is not None:
        raise UsageError(
            "--sigma takes IMAGE for the true picture and --reference names another: give one"
        )
    if out.exists():
        raise UsageError(f"{out} exists: choose another --out, or remove it")
    from s3nn.data.images import picture_format, read_picture, write_picture
    from s3nn.experiment.denoise import open_denoiser
    from s3nn.experiment.judging import in_bytes

    picture_format(out)  # before anything is computed
    denoiser = open_denoiser(flags.run)
    given = read_picture(flags.image)
    true = given if flags.reference is None else read_picture(flags.reference)
    if true.shape != given.shape:
        raise UsageError(
            f"{flags.reference} is {tuple(true.shape)} and {flags.image} {tuple(given.shape)}, "
            "channels, height and width: give the true picture of the same size and colours"
        )
    if flags.sigma is None:
        before, after = given / 255, denoiser(given)
    else:
        before, after = denoiser.noisy(given, flags.sigma, flags.seed)
    write_picture(out, in_bytes(after))
    if flags.sigma is not None or flags.reference is not None:
        _say("noisy", before, true / 255)
        _say("cleaned", after, true / 255)
    print(out)


def _say(what: str, picture: Tensor, true: Tensor) -> None:
    from s3nn.experiment.judging import ssim
    from s3nn.tasks import psnr_db

    found = f"{what:8} PSNR {float(psnr_db(picture[None], true[None])):.2f} dB"
    if min(picture.shape[1:]) >= LEAST:
        found += f"  SSIM {float(ssim(picture[None], true[None])):.4f}"
    print(found)
