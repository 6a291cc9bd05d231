"""pack and load: a trained network that travels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from s3nn.commands.flags import parse
from s3nn.files import check_folder_place

if TYPE_CHECKING:
    from s3nn.packs import Pack


@dataclass(frozen=True)
class PackFlags:
    """Write a finished run as one folder or zip: weights, model card, golden vectors, checksums."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    out: Path
    """The folder to write, or the file if it ends in .zip."""
    extras: Annotated[tuple[str, ...], tyro.conf.arg(name="with")] = ()
    """Other forms of the network to put in: c, nir, onnx."""
    images: int = 8
    """How many test images are golden vectors."""
    licence: str | None = None
    """Of the weights, for the model card (an SPDX name, such as apache-2.0)."""
    comparison: Path | None = None
    """The comparison that the run is of, for its interval over seeds (default: where it lies)."""


@dataclass(frozen=True)
class LoadFlags:
    """Check a pack, anyone's, and say what it is; nothing in it is executed."""

    pack: Annotated[str, tyro.conf.Positional]
    """A folder, a zip, or hf://owner/name on the Hugging Face hub."""
    out: Path | None = None
    """Unpack it to this run folder, which eval, predict, energy, lint and compile take."""


def pack(words: list[str]) -> None:
    flags = parse(PackFlags, "pack", words)
    from s3nn.packs import pack as write
    from s3nn.report.units import bytes_text

    check_folder_place(flags.out.parent)
    manifest = write(
        flags.run,
        flags.out,
        extras=flags.extras,
        images=flags.images,
        licence=flags.licence,
        comparison=flags.comparison,
    )
    total = sum(file.bytes for file in manifest.files.values())
    print(f"{flags.out}: {len(manifest.files)} files, {bytes_text(total)}; README.md is its card")


def load(words: list[str]) -> None:
    flags = parse(LoadFlags, "load", words)
    from s3nn.packs import open_pack
    from s3nn.packs.read import unpack

    if flags.out is not None:
        check_folder_place(flags.out.parent)
    found = open_pack(flags.pack)
    for line in _what(found):  # its words are the packer's: none may steer a terminal
        print("".join(letter if letter.isprintable() else " " for letter in line))
    if flags.out is not None:
        unpack(found, flags.out)
        print(f"unpacked to {flags.out}")


def _what(pack: Pack) -> list[str]:
    from s3nn.report.scores import score_of
    from s3nn.report.units import energy_text, percent_text

    score = score_of(pack.result)
    row, model, data = pack.result.rows[0], pack.trained.run.model, pack.result.data
    energy = ", ".join(f"{energy_text(pj)} ({name})" for name, pj in row.energy_pj.items())
    forms = sorted({name.partition("/")[0] for name in pack.contents if "/" in name})
    return [
        f"{pack.where}: {model.name}, width {model.width:g}, {model.neuron}, {model.synapse}, "
        f"{model.steps} step{'s' if model.steps > 1 else ''}, on {data.name} ({data.licence})",
        f"{score.name} {score.text(row.score)} on {data.splits.get('test', 0):,} test images; "
        f"fires {percent_text(row.firing_rate)}; {row.parameters:,} parameters",
        f"energy an inference: {energy}",
        *([f"also as: {', '.join(forms)}"] if forms else []),
        f"whole: {len(pack.manifest.files)} checksums hold, {pack.proof.images} golden images "
        f"fire as they did, largest error of an answer {pack.proof.error:.1e}",
    ]
