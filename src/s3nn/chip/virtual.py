"""A chip that is emulated: the interface of hardware, and its faults."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import torch

from s3nn.chip.interface import Chip, Events, Layer, Limits, Recording, check_layers
from s3nn.chip.membranes import Arrivals, Circuit, Membrane, Settings, decay, lost
from s3nn.chip.pattern import Pattern
from s3nn.errors import UsageError

# Of the authors' chip: 63 of 240 a threshold; potentials of codes 0 and 255, with rest at 0.38 and
# the threshold 0.33 above it; samples of two times 128 neurons in 128 KiB.
FULL_SCALE = 63 / 240
VOLTS = (-0.38 / 0.33, 0.62 / 0.33)
STEPS = 512
# In thresholds a sampling interval: an assumption.
LARGEST_CURRENT = 2.0


class VirtualChip(Chip):
    """Leaky integrate-and-fire neurons with a fixed pattern of faults, noise and saturation.

    A sampling interval is integrated in ``substeps`` finer steps.  In each, with x the weights of
    the spikes that arrive, a = e^(-1/(substeps tau_s)), b = e^(-1/(substeps tau_m))::

        I <- clamp(a I + x, +-I_max)
        V <- clamp(E + b (V - E) + g I + noise, volts)    s = 1[V > theta]
        V <- R where it fired, and for the refractory time after

    where g makes the integral over V that a spike causes the same for every number of substeps
    (1 for one of them), and E, theta, R, tau_s, tau_m and the weights' gains are each neuron's and
    synapse's own (``Pattern``).  A sample is the potential at the end of an interval, a code of
    ``sample_bits``, with offset and gain of its channel.

    Parameters
    ----------
    seed: which chip it is; the whole fixed pattern follows from it.
    mismatch: the scale of the pattern; 0: every neuron is as it should be.
    noise: standard deviation of a membrane's noise, in thresholds; it is fresh in every trial.
    jitter: standard deviation of the times of incoming spikes, in sampling intervals; fresh too.
    dead: the share of neurons whose spikes never come; they still integrate.
    bits, sample_bits: of weights (and a sign) and of samples.
    refractory: the time a neuron is held after a spike, in sampling intervals.
    substeps: finer steps in a sampling interval.
    volts: (lowest, highest) potential, at which membranes and samples saturate.
    current: the largest current.

    Sources: Cramer et al., PNAS 119 (2022), and the authors' code: the defaults of bits, ranges and
    sizes; noise is the two codes of the authors' software model (hxtorch), refractory 2 us of a
    1.7 us interval as calibrated by default.  How large mismatch and jitter are is an assumption.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        mismatch: float = 0.15,
        noise: float = 0.024,
        jitter: float = 0.05,
        dead: float = 0.0,
        bits: int = 6,
        sample_bits: int = 8,
        refractory: float = 1.2,
        substeps: int = 4,
        neurons: int = 256,
        inputs: int = 256,
        volts: tuple[float, float] = VOLTS,
        current: float = LARGEST_CURRENT,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        for name, value, least in (
            ("mismatch", mismatch, 0),
            ("noise", noise, 0),
            ("jitter", jitter, 0),
            ("refractory", refractory, 0),
            ("substeps", substeps, 1),
            ("neurons", neurons, 1),
            ("inputs", inputs, 1),
        ):
            whole = isinstance(least, int) and least > 0
            if not least <= value < inf or (whole and value != int(value)):
                kind = "a whole" if whole else "a finite"
                raise UsageError(f"a chip needs {kind} {name} >= {least}, got {value}")
        if not 0 < current < inf:
            raise UsageError(f"the largest current of a chip is above 0, got {current}")
        if not 0 <= dead <= 1:
            raise UsageError(f"a chip's share of dead neurons is 0 to 1, got {dead}")
        if not (1 <= bits <= 15 and 1 <= sample_bits <= 24):
            raise UsageError(
                f"a chip has weights of 1 to 15 bits and samples of 1 to 24, got {bits} and "
                f"{sample_bits}"
            )
        if not volts[0] < 0 < volts[1]:
            raise UsageError(f"the volts of a chip lie around 0, which is rest, got {volts}")
        self.seed, self.jitter, self.dtype = seed, jitter, dtype
        self._limits = Limits(neurons, inputs, bits, FULL_SCALE, sample_bits, volts, STEPS)
        self.settings = Settings(self._limits, noise, refractory, substeps, current)
        self.pattern = Pattern.drawn(seed, neurons, inputs, mismatch=mismatch, dead=dead)
        self._circuits: tuple[Circuit, ...] = ()

    @property
    def limits(self) -> Limits:
        return self._limits

    def configure(self, layers: Sequence[Layer]) -> None:
        check_layers(layers, self._limits)
        self._circuits = tuple(map(self._circuit, layers))

    def run(self, spikes: Events, *, steps: int, trials: int, seed: int | None = None) -> Recording:
        self._check_run(spikes, steps, trials)
        generator = torch.Generator()
        generator.manual_seed(int(torch.randint(2**62, ())) if seed is None else seed)
        arrivals = self._arrivals(spikes, steps, generator)
        membranes = [
            Membrane(circuit, self.settings, steps, trials, arrivals, generator)
            for circuit in self._circuits
        ]
        for tick in range(steps * self.settings.substeps):
            for membrane in membranes:
                source = membrane.circuit.source
                membrane.tick(tick, None if source == 0 else membranes[source - 1].fired)
        return Recording(
            tuple(membrane.events() for membrane in membranes),
            tuple(membrane.codes() for membrane in membranes),
        )

    def _check_run(self, spikes: Events, steps: int, trials: int) -> None:
        if not self._circuits:
            raise UsageError("the chip runs nothing yet: configure it with layers first")
        if not 1 <= steps <= self._limits.steps:
            raise UsageError(
                f"a run of this chip lasts 1 to {self._limits.steps} sampling intervals, got "
                f"{steps}: take fewer --model.steps"
            )
        lines = min((c.weights.shape[1] for c in self._circuits if c.source == 0), default=0)
        for name, values, end in (("trial", spikes.trial, trials), ("line", spikes.line, lines)):
            if len(values) and not (values.min() >= 0 and values.max() < end):
                raise UsageError(
                    f"a spike is sent to the {name} {int(values.max())}, the last one is {end - 1}"
                )

    def _arrivals(self, spikes: Events, steps: int, generator: torch.Generator) -> Arrivals:
        """Incoming spikes, by the fine step they arrive in; those that come too late are lost."""
        time = torch.from_numpy(np.asarray(spikes.time, dtype=np.float64))
        if self.jitter:
            time = time + self.jitter * torch.randn(
                time.shape, generator=generator, dtype=torch.float64
            )
        substeps = self.settings.substeps
        tick = (time * substeps).round().clamp(min=0).long()
        there = tick < steps * substeps
        trial, line = (
            torch.from_numpy(np.asarray(x, np.int64)) for x in (spikes.trial, spikes.line)
        )
        return Arrivals(tick[there], trial[there], line[there])

    def _circuit(self, layer: Layer) -> Circuit:
        """A layer as its place on this chip makes it."""
        place = slice(layer.first, layer.first + len(layer.weights))
        pattern, k = self.pattern, self.settings.substeps
        unit = FULL_SCALE / self._limits.largest_weight
        gains = pattern.gain[place, : layer.weights.shape[1]]
        weights = torch.from_numpy(layer.weights.astype(np.float64)) * unit * gains
        own = (pattern.theta, pattern.leak, pattern.reset, pattern.offset, pattern.channel_gain)
        return Circuit(
            weights.to(self.dtype),
            layer.source,
            layer.spikes,
            decay(layer.tau_s, k, pattern.tau_s[place]).to(self.dtype),
            decay(layer.tau_m, k, pattern.tau_m[place]).to(self.dtype),
            k * lost(layer.tau_s, k) * lost(layer.tau_m, k),
            *(values[place].to(self.dtype) for values in own),
        )
