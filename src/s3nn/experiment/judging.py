"""How right the answers of a network are: of a classifier, and of a network of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from s3nn.data.base import Split
from s3nn.report import measure as measure_seeds
from s3nn.report import schema
from s3nn.tasks import MOST_DB, Pictures, Task, psnr_db

CONFUSED_IMAGES = 10
SSIM_BATCH = 64


@dataclass(frozen=True)
class Judged:
    """The fields of a row that say how right it is, and arrays for its page, by their keys."""

    fields: dict[str, Any]
    arrays: dict[str, NDArray[np.generic]] = field(default_factory=dict)


def ssim(pictures: Tensor, true: Tensor) -> Tensor:
    """Structural similarity, a number a picture; both (N, C, H, W) in 0..1.

    Windows are Gaussian, 11 pixels a side and 1.5 in deviation, borders reflected.
    Source: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE TIP 13 (2004).
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = [
        structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
        for a, b in zip(pictures.split(SSIM_BATCH), true.split(SSIM_BATCH), strict=True)
    ]
    return torch.cat([f for f in found if isinstance(f, Tensor)])


def judge(
    name: str,
    task: Task,
    answers: tuple[Tensor, Tensor, Tensor],
    test: Split,
    chosen: list[int],
    best: float,
) -> Judged:
    """Of the row ``name``: its answers to the images of ``test``, ``best`` being its validation.

    ``answers`` are what was shown, what it answered and what was wanted; ``chosen`` test images
    are drawn.
    """
    shown, answer, wanted = answers
    if isinstance(task, Pictures):
        pictures, true = task.says(shown, answer), task.says(shown, wanted)
        return _of_images(name, task.pixels(shown), pictures, true, chosen, best)
    return _of_classes(name, answer, wanted, test, best)


def _of_classes(name: str, logits: Tensor, labels: Tensor, test: Split, best: float) -> Judged:
    confused = _confused(logits, labels)
    right = int((logits.argmax(1) == labels).sum()) / len(labels)
    return Judged(
        {
            "accuracy": measure_seeds([right]),
            "validation_accuracy": measure_seeds([best]),
            "confusion": _confusion(logits, labels),
            "confused": tuple(confused),
        },
        {f"confused/{name}": test.images[[c.index for c in confused]].numpy()},
    )


def _of_images(
    name: str,
    seen: Tensor,
    pictures: Tensor,
    true: Tensor,
    chosen: list[int],
    best: float,
) -> Judged:
    found = psnr_db(pictures, true)
    arrays: dict[str, NDArray[np.generic]] = {
        f"pictures/{name}": in_bytes(pictures[chosen]),
        f"psnr/{name}": found[chosen].numpy(),
    }
    before = None
    if not torch.allclose(seen, true, atol=1e-6):
        before = psnr_db(seen, true)
        arrays |= {"shown": in_bytes(seen[chosen]), "shown_psnr": before[chosen].numpy()}
    return Judged(
        {
            "accuracy": None,
            "validation_accuracy": None,
            "confusion": (),
            "confused": (),
            "images": schema.ImageScores(
                psnr_db=measure_seeds([float(found.clamp(max=MOST_DB).mean())]),
                ssim=measure_seeds([float(ssim(pictures, true).mean())]),
                shown_psnr_db=None if before is None else float(before.clamp(max=MOST_DB).mean()),
                validation_psnr_db=measure_seeds([best]),
            ),
        },
        arrays,
    )


def in_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures in 0..1 as uint8, of the same shape."""
    return (pictures * 255).round().to(torch.uint8).numpy()


def _confused(logits: Tensor, labels: Tensor) -> list[schema.Confused]:
    """The wrong answers that the network is surest of."""
    confidence, predicted = logits.softmax(1).max(1)
    sureness = torch.where(predicted == labels, -1.0, confidence)
    wrong = int((predicted != labels).sum())
    top = sureness.topk(min(CONFUSED_IMAGES, wrong)).indices
    return [
        schema.Confused(int(i), int(labels[i]), int(predicted[i]), float(confidence[i]))
        for i in top
    ]


def _confusion(logits: Tensor, labels: Tensor) -> tuple[tuple[int, ...], ...]:
    classes = logits.shape[1]
    pairs = torch.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
    return tuple(tuple(line) for line in pairs.view(classes, classes).tolist())
