"""Our compiled networks as engines, and what they compute beside the integer reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s3nn.experiment.compiled import Compilation, prepare_trained
from s3nn.experiment.trained import Trained, open_run
from s3nn.runtime.engine import Program


@dataclass(frozen=True, eq=False)
class Ours:
    """A spiking run, compiled."""

    name: str
    trained: Trained
    compilation: Compilation

    def program(self, threads: int) -> Program:
        return self.compilation.program(threads)

    @property
    def firing_rate(self) -> float:
        return self.compilation.firing_rate


def compiled(run: Path, bits: int) -> Ours:
    trained = open_run(run)
    made = prepare_trained(trained, bits=bits)
    return Ours(f"s3nn {bits} bits, {100 * made.firing_rate:.1f} % firing", trained, made)


def accuracy(ours: Ours, images: NDArray[np.uint8], labels: NDArray[np.int64], exact: int) -> float:
    """The share of images that the compiled network names right.

    On the first ``exact`` of them its logits must be those of the integer reference, bit for bit.
    """
    program = ours.program(1)
    logits = program(images)
    expected = ours.compilation.quantised.integer.run(images[:exact])
    apart = int((logits[:exact] != expected).sum())
    if apart:
        raise AssertionError(f"{ours.name}: {apart} logits are not the reference's")
    return float((logits.argmax(1) == labels).mean())
