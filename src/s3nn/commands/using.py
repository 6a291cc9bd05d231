"""eval and predict: what a trained run can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from s3nn.commands.flags import parse
from s3nn.config import Chip
from s3nn.errors import UsageError

if TYPE_CHECKING:
    from s3nn.experiment.trained import Trained
    from s3nn.runtime.engine import Program


@dataclass(frozen=True)
class EvalFlags:
    """Accuracy of a trained run, or the PSNR of its images."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    split: Literal["train", "validation", "test"] = "test"
    compiled: bool = False
    """Of the network as compiled C."""
    bits: Literal[8, 6, 4, 2] = 8
    """Of a hidden layer's weights in compiled form."""
    threads: int = 1
    """That the compiled network runs on."""
    chip: Chip = field(default_factory=Chip)
    """The chip that the weights are put on (default: what the run was trained on)."""


@dataclass(frozen=True)
class PredictFlags:
    """Classes of images, with the probabilities that the network gives them."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Image files of the size the network was trained on."""
    resize: bool = False
    """Scale images of another size, and turn colours to what the network takes."""
    top: int = 3
    """How many classes to name."""
    compiled: bool = False
    """By the network as compiled C."""
    bits: Literal[8, 6, 4, 2] = 8
    """Of a hidden layer's weights in compiled form."""


def evaluate(words: list[str]) -> None:
    flags = parse(EvalFlags, "eval", words)
    from s3nn.experiment.trained import open_run

    if flags.chip.there and flags.compiled:
        raise UsageError("--compiled and --chip.seed are two machines: give one of them")
    trained = open_run(flags.run, flags.chip if flags.chip.there else None)
    split = getattr(trained.data(), flags.split)
    if flags.compiled:
        program = compile_trained(trained, flags.bits, flags.threads)
        right = int((program(split.images.numpy()).argmax(1) == split.labels.numpy()).sum())
        score, how = right / len(split), f", compiled with {flags.bits} bits"
    else:
        score, chip = trained.score(split), trained.run.chip
        how = f", on chip {chip.seed}" if chip.there else ""
    print(f"{trained.task.said(score)} of {len(split)} {flags.split} images{how}")


def compile_trained(trained: Trained, bits: int, threads: int = 1) -> Program:
    from s3nn.experiment.compiled import compile

    return compile(trained, bits=bits, threads=threads)


def predict(words: list[str]) -> None:
    flags = parse(PredictFlags, "predict", words)
    if not flags.images:
        raise UsageError("s3nn predict needs at least one image file after the run folder")
    if flags.top < 1:
        raise UsageError(f"--top is how many classes are shown, 1 or more, got {flags.top}")
    import torch

    from s3nn.data.images import read_image
    from s3nn.experiment.trained import open_run

    trained = open_run(flags.run)
    trained.classifies("prediction")
    images = torch.stack(
        [read_image(path, trained.shape, resize=flags.resize) for path in flags.images]
    )
    if flags.compiled:
        program = compile_trained(trained, flags.bits)
        probabilities = (torch.from_numpy(program(images.numpy())) * program.step).softmax(1)
    else:
        probabilities = trained.predict(images)
    top = min(flags.top, len(trained.classes))
    for path, row in zip(flags.images, probabilities, strict=True):
        best = row.topk(top)
        named = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        shown = ", ".join(f"{trained.classes[i]} {100 * p:.1f} %" for i, p in named)
        print(f"{path}: {shown}")
