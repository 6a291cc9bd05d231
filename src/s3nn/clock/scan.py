"""Neurons with a memory, going through the steps of a folded sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import SteppedNeuron, TemporalNeuron
from s3nn.registry import name_of


class Scan(nn.Module):
    """Temporal neurons that go through the T steps of a folded sequence (T N, C, ...)."""

    def __init__(self, neuron: TemporalNeuron, steps: int) -> None:
        super().__init__()
        self.neuron, self.steps = neuron, steps
        self.passage: Passage | None = None

    @property
    def emits(self) -> Edge:
        return self.neuron.emits

    def forward(self, current: Tensor) -> Tensor:
        if self.passage is not None:
            return self.passage.through(self, current)
        return self.neuron.run(current.unflatten(0, (self.steps, -1))).flatten(0, 1)

    def potential(self, current: Tensor) -> Tensor:
        """The membrane potential of every step, folded as ``current`` is."""
        return self.neuron.potentials(current.unflatten(0, (self.steps, -1))).flatten(0, 1)


@dataclass
class Passage:
    """Some steps of a sequence: the states that layers enter with, and those they leave with."""

    steps: int
    entering: Mapping[Scan, Any]
    leaving: dict[Scan, Any] = field(default_factory=dict)

    def through(self, scan: Scan, current: Tensor) -> Tensor:
        neuron = scan.neuron
        if not isinstance(neuron, SteppedNeuron):
            raise UnsupportedError(
                "going through time in windows",
                f"neurons of the type {name_of(neuron)}, whose gradient needs every step at once",
                "drop --fit.window, or take a neuron such as lif",
            )
        if scan in self.leaving:
            raise UnsupportedError(
                "going through time in windows",
                "a layer of neurons that the network calls twice",
                "drop --fit.window, or give each call a layer of its own",
            )
        folded = current.unflatten(0, (self.steps, -1))
        output, self.leaving[scan] = neuron.advance(folded, self.entering.get(scan))
        return output.flatten(0, 1)


@contextmanager
def passing(
    scans: Sequence[Scan], steps: int, entering: Mapping[Scan, Any] | None = None
) -> Iterator[Passage]:
    """Inside, ``scans`` run ``steps`` steps from the states ``entering`` (absent: at rest)."""
    passage = Passage(steps, entering or {})
    for scan in scans:
        scan.passage = passage
    try:
        yield passage
    finally:
        for scan in scans:
            scan.passage = None
