"""eval and predict: what a trained run can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from s3nn.commands.flags import parse
from s3nn.errors import UsageError


@dataclass(frozen=True)
class EvalFlags:
    """Accuracy of a trained run."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    split: Literal["train", "validation", "test"] = "test"


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


def evaluate(words: list[str]) -> None:
    flags = parse(EvalFlags, "eval", words)
    from s3nn.data.batches import Batches
    from s3nn.experiment.observe import logits_of
    from s3nn.experiment.trained import open_run

    trained = open_run(flags.run)
    split = getattr(trained.data(), flags.split)
    batches = Batches(split, batch_size=500, mean=trained.mean, std=trained.std)
    logits, labels = logits_of(trained.network, batches)
    right = int((logits.argmax(1) == labels).sum())
    print(f"{100 * right / len(labels):.2f} % of {len(labels)} {flags.split} images")


def predict(words: list[str]) -> None:
    flags = parse(PredictFlags, "predict", words)
    if not flags.images:
        raise UsageError("s3nn predict needs at least one image file after the run folder")
    import torch

    from s3nn.data.images import read_image
    from s3nn.experiment.trained import open_run

    trained = open_run(flags.run)
    images = [read_image(path, trained.shape, resize=flags.resize) for path in flags.images]
    probabilities = trained.predict(torch.stack(images))
    top = min(flags.top, len(trained.classes))
    for path, row in zip(flags.images, probabilities, strict=True):
        best = row.topk(top)
        named = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        shown = ", ".join(f"{trained.classes[i]} {100 * p:.1f} %" for i, p in named)
        print(f"{path}: {shown}")
