"""The narrow interface of an analog chip: integers and spikes in, spikes and samples out.

Nothing here knows of torch, of a model or of an emulation: a driver of real hardware derives from
``Chip`` and the rest of s3nn works with it.  Times are in sampling intervals, potentials and
weights in firing thresholds above rest; docs/chip.md says what a driver has to see to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s3nn.errors import UsageError

Integers = NDArray[np.integer]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Limits:
    """What a chip can hold and tell.

    neurons: neurons on the chip, of all layers together.
    inputs: rows of synapses, the most inputs that a layer can have.
    weight_bits: of a weight's magnitude; its sign comes beside them.
    full_scale: what the largest weight adds to a neuron's current, in thresholds a sampling
        interval.
    sample_bits: of a sampled potential.
    volts: (lowest, highest) potential that a sample can tell, in thresholds above rest.
    steps: sampling intervals that one run may last.
    """

    neurons: int
    inputs: int
    weight_bits: int
    full_scale: float
    sample_bits: int
    volts: tuple[float, float]
    steps: int

    @property
    def largest_weight(self) -> int:
        """63 for 6 bits."""
        return int(2**self.weight_bits - 1)

    @property
    def sample_step(self) -> float:
        """The thresholds between two codes of a sample."""
        return (self.volts[1] - self.volts[0]) / (2**self.sample_bits - 1)


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of neurons and the synapses in front of it.

    weights: integers (neurons, inputs), within +-``largest_weight``.
    source: where its inputs come from: 0, the spikes that are sent in, or k, the k-th layer.
    first: the place on the chip of its first neuron; the others follow.
    spikes: whether its neurons fire; those of a read-out only integrate.
    tau_s, tau_m: the time constants of synapse and membrane that its neurons are set to.
    """

    weights: Integers
    source: int
    first: int
    spikes: bool
    tau_s: float
    tau_m: float


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes of many trials, in any order: of trial ``trial[i]``, on ``line[i]``, at ``time[i]``.

    Three arrays of one length; a time of 1.5 lies in the second sampling interval.
    """

    trial: Integers
    line: Integers
    time: Floats

    @classmethod
    def of_steps(cls, spikes: NDArray[np.generic]) -> Events:
        """The events of (steps, trials, lines), not 0 where there is a spike; it comes at t.

        >>> Events.of_steps(np.eye(2)[:, None]).time.tolist()
        [0.0, 1.0]
        """
        step, trial, line = np.nonzero(spikes)
        return cls(trial, line, step.astype(np.float64))

    def in_steps(self, steps: int, trials: int, lines: int) -> NDArray[np.float32]:
        """1 where there is a spike or more in a sampling interval: (steps, trials, lines)."""
        dense = np.zeros((steps, trials, lines), dtype=np.float32)
        step = np.floor(self.time).astype(np.int64)
        there = (step >= 0) & (step < steps)
        dense[step[there], self.trial[there], self.line[there]] = 1
        return dense


@dataclass(frozen=True, eq=False)
class Recording:
    """What a chip tells of a run, one entry a layer.

    spikes: what the neurons fired; empty for a read-out.
    samples: codes 0 .. 2^sample_bits - 1 of the potentials, (steps + 1, trials, neurons): the first
        at rest, before the run, then one at the end of every sampling interval.
    """

    spikes: tuple[Events, ...]
    samples: tuple[Integers, ...]


class Chip(ABC):
    """Neurons and synapses that can be configured and run, and nothing else."""

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """What fits, and how finely it is written and read."""

    @abstractmethod
    def configure(self, layers: Sequence[Layer]) -> None:
        """Write weights, routing and time constants; ``UsageError`` for what does not fit."""

    @abstractmethod
    def run(self, spikes: Events, *, steps: int, trials: int, seed: int | None = None) -> Recording:
        """Send ``spikes`` in and record ``steps`` sampling intervals of ``trials`` trials.

        Every trial starts from rest.  ``seed`` makes the noise of an emulation repeat; hardware
        has no such thing and ignores it.
        """


def check_layers(layers: Sequence[Layer], limits: Limits) -> None:
    """A ``UsageError`` for layers that a chip of these limits cannot hold."""
    if not layers:
        raise UsageError("a chip is configured with at least one layer, got none")
    for number, layer in enumerate(layers, 1):
        weights = layer.weights
        if weights.ndim != 2 or not np.issubdtype(weights.dtype, np.integer):
            raise UsageError(
                f"layer {number}: a chip takes weights as integers (neurons, inputs), got "
                f"{weights.dtype} {weights.shape}"
            )
        lines, rows = weights.shape
        if layer.first + lines > limits.neurons:
            raise UsageError(
                f"layer {number} needs the neurons {layer.first} to {layer.first + lines - 1} of a "
                f"chip that has {limits.neurons}: make the network narrower (--model.width)"
            )
        if rows > limits.inputs:
            raise UsageError(
                f"layer {number} has {rows} inputs and a neuron of this chip {limits.inputs}: "
                "make the image smaller or the layer before it narrower"
            )
        largest = int(np.abs(weights).max(initial=0))
        if largest > limits.largest_weight:
            raise UsageError(
                f"layer {number} has the weight {largest} and {limits.weight_bits} bits hold "
                f"{limits.largest_weight}: saturate before writing"
            )
        if not 0 <= layer.source < number:
            raise UsageError(
                f"layer {number} reads layer {layer.source}: spikes come from outside (0) or from "
                "a layer before it"
            )
        if layer.source and len(layers[layer.source - 1].weights) != rows:
            raise UsageError(
                f"layer {number} has {rows} inputs and layer {layer.source}, which it reads, "
                f"{len(layers[layer.source - 1].weights)} neurons"
            )
