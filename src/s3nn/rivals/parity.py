"""Before anything is timed: does an engine compute what the network computes?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from s3nn.rivals.engines import Engine
from s3nn.rivals.setting import Images, Logits

MOST_LOGITS_APART, MOST_POINTS_LOST, LEAST_IMAGES = 1e-3, 1.0, 1000
CHUNK = 250


@dataclass(frozen=True)
class Parity:
    """How far an engine is from torch on ``images`` labelled images; accuracies are 0..1.

    ``logits_apart`` is the largest difference between two logits.  ``holds``: for an fp32 engine
    that it is at most 1e-3; for the others that they lose at most a point of accuracy, on a
    thousand images or more, since on fewer a point is chance.
    """

    engine: str
    precision: str
    images: int
    accuracy: float
    torch_accuracy: float
    logits_apart: float
    classes_apart: int

    @property
    def points_lost(self) -> float:
        return 100 * (self.torch_accuracy - self.accuracy)

    @property
    def holds(self) -> bool:
        if self.precision == "fp32":
            return self.logits_apart <= MOST_LOGITS_APART
        return self.images >= LEAST_IMAGES and self.points_lost <= MOST_POINTS_LOST


def check_parity(
    engine: Engine, network: nn.Module, images: Images, labels: NDArray[np.int64]
) -> Parity:
    """The engine beside the network it was built of; an fp32 engine that differs is an error.

    ``images`` are normalised, float32 (N, C, H, W), ``labels`` (N,).  An engine of less precision
    that loses more than it may is only reported: see ``holds``.
    """
    found, expected = logits(engine, images), _torch(network, images)
    parity = Parity(
        engine=engine.name,
        precision=engine.precision,
        images=len(images),
        accuracy=float((found.argmax(1) == labels).mean()),
        torch_accuracy=float((expected.argmax(1) == labels).mean()),
        logits_apart=float(np.abs(found - expected).max()),
        classes_apart=int((found.argmax(1) != expected.argmax(1)).sum()),
    )
    if engine.precision == "fp32" and not parity.holds:
        raise AssertionError(f"this engine does not compute what torch does: {parity}")
    return parity


def logits(engine: Engine, images: Images) -> Logits:
    """Of any number of images, in the engine's batches; the last is filled up with zeros."""
    found = []
    for start in range(0, len(images), engine.batch):
        batch = np.zeros((engine.batch, *images.shape[1:]), np.float32)
        part = images[start : start + engine.batch]
        batch[: len(part)] = part
        found.append(engine.run(batch)[: len(part)].copy())
    return np.concatenate(found)


def _torch(network: nn.Module, images: Images) -> Logits:
    training = network.training
    network.eval()
    with torch.inference_mode():
        parts = torch.from_numpy(np.ascontiguousarray(images)).split(CHUNK)
        found: Logits = torch.cat([network(part) for part in parts]).numpy()
    network.train(training)
    return found
