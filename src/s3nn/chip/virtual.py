"""A chip that is emulated: the interface of hardware, and its faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, isinf

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from s3nn.chip.interface import Chip, Events, Integers, Layer, Limits, Recording, check_layers
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
    dead: the share of neurons that never fire.
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
        mismatch: float = 0.1,
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
            if not value >= least:
                raise UsageError(f"a chip needs {name} >= {least}, got {value}")
        if not 0 <= dead <= 1:
            raise UsageError(f"a chip's share of dead neurons is 0 to 1, got {dead}")
        if not (1 <= bits <= 15 and 1 <= sample_bits <= 24):
            raise UsageError(
                f"a chip has weights of 1 to 15 bits and samples of 1 to 24, got {bits} and "
                f"{sample_bits}"
            )
        if not volts[0] < 0 < volts[1]:
            raise UsageError(f"the volts of a chip lie around 0, which is rest, got {volts}")
        self.seed, self.noise, self.jitter = seed, noise, jitter
        self.refractory, self.substeps, self.current = refractory, substeps, current
        self.dtype = dtype
        self._limits = Limits(neurons, inputs, bits, FULL_SCALE, sample_bits, volts, STEPS)
        self.pattern = Pattern.drawn(seed, neurons, inputs, mismatch=mismatch, dead=dead)
        self._circuits: tuple[_Circuit, ...] = ()

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
            _Membrane(circuit, self, steps, trials, arrivals, generator)
            for circuit in self._circuits
        ]
        for tick in range(steps * self.substeps):
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

    def _arrivals(self, spikes: Events, steps: int, generator: torch.Generator) -> _Arrivals:
        """Incoming spikes, by the fine step they arrive in; those that come too late are lost."""
        time = torch.from_numpy(np.asarray(spikes.time, dtype=np.float64))
        if self.jitter:
            time = time + self.jitter * torch.randn(
                time.shape, generator=generator, dtype=torch.float64
            )
        tick = (time * self.substeps).round().clamp(min=0).long()
        there = tick < steps * self.substeps
        trial, line = (
            torch.from_numpy(np.asarray(x, np.int64)) for x in (spikes.trial, spikes.line)
        )
        return _Arrivals(tick[there], trial[there], line[there])

    def _circuit(self, layer: Layer) -> _Circuit:
        """A layer as its place on this chip makes it."""
        place = slice(layer.first, layer.first + len(layer.weights))
        pattern, k = self.pattern, self.substeps
        unit = FULL_SCALE / self._limits.largest_weight
        gains = pattern.gain[place, : layer.weights.shape[1]]
        weights = torch.from_numpy(layer.weights.astype(np.float64)) * unit * gains
        own = (pattern.theta, pattern.leak, pattern.reset, pattern.offset, pattern.channel_gain)
        return _Circuit(
            weights.to(self.dtype),
            layer.source,
            layer.spikes,
            _decay(layer.tau_s, k, pattern.tau_s[place]).to(self.dtype),
            _decay(layer.tau_m, k, pattern.tau_m[place]).to(self.dtype),
            k * _lost(layer.tau_s, k) * _lost(layer.tau_m, k),
            *(values[place].to(self.dtype) for values in own),
        )


def _decay(tau: float, substeps: int, factor: Tensor) -> Tensor:
    """e^(-1 / (substeps tau factor)), 0 for tau = 0."""
    return torch.zeros_like(factor) if tau == 0 else (-1 / (substeps * tau * factor)).exp()


def _lost(tau: float, substeps: int) -> float:
    """What leaks in a fine step, of what leaks in a whole one."""
    if tau == 0:
        return 1.0
    return 1 / substeps if isinf(tau) else (1 - exp(-1 / (substeps * tau))) / (1 - exp(-1 / tau))


@dataclass(frozen=True)
class _Arrivals:
    """Incoming spikes: the fine step, the trial and the line of each."""

    tick: Tensor
    trial: Tensor
    line: Tensor

    def weighted(self, weights: Tensor, ticks: int, trials: int) -> Tensor:
        """What they bring through weights (n, m): (ticks, trials, n)."""
        place = self.tick * trials + self.trial
        place, order = place.sort(stable=True)
        begins = torch.searchsorted(place, torch.arange(ticks * trials))
        brought = embedding_bag(self.line[order], weights.T.contiguous(), begins, mode="sum")
        return brought.view(ticks, trials, len(weights))


@dataclass(frozen=True)
class _Circuit:
    """A configured layer: weights (n, m) in thresholds, everything else a number a neuron (n,)."""

    weights: Tensor
    source: int
    spikes: bool
    synaptic: Tensor
    kept: Tensor
    charge: float
    theta: Tensor
    leak: Tensor
    reset: Tensor
    offset: Tensor
    channel_gain: Tensor


class _Membrane:
    """The state of a layer in all trials of a run, (trials, n), and what was recorded of it."""

    def __init__(
        self,
        circuit: _Circuit,
        chip: VirtualChip,
        steps: int,
        trials: int,
        arrivals: _Arrivals,
        generator: torch.Generator,
    ) -> None:
        self.circuit, self.chip, self.generator = circuit, chip, generator
        n = len(circuit.weights)
        self.held = ceil(chip.refractory * chip.substeps - 1e-9) if circuit.spikes else 0
        self.kick = (chip.noise * (1 - circuit.kept**2).sqrt()) if chip.noise else None
        self.v = circuit.leak.repeat(trials, 1)
        if chip.noise:
            self.v += chip.noise * torch.randn(
                self.v.shape, generator=generator, dtype=self.v.dtype
            )
        self.current = torch.zeros_like(self.v)
        self.wait = torch.zeros(self.v.shape, dtype=torch.int32)
        self.fired, self.noise = torch.zeros_like(self.v), torch.empty_like(self.v)
        self.record = [self.v.clone()]
        self.spikes: list[tuple[int, Tensor]] = []
        self.sent: Tensor | None = None
        if circuit.source == 0:
            self.sent = arrivals.weighted(circuit.weights, steps * chip.substeps, trials)

    def tick(self, tick: int, spikes: Tensor | None) -> None:
        """One fine step, with the spikes that the layer before fired in it (None: from outside)."""
        circuit, chip = self.circuit, self.chip
        self.current *= circuit.synaptic
        if spikes is None:
            assert self.sent is not None
            self.current += self.sent[tick]
        else:
            self.current.addmm_(spikes, circuit.weights.T)
        self.current.clamp_(-chip.current, chip.current)
        self.v -= circuit.leak
        self.v *= circuit.kept
        self.v += circuit.leak
        self.v.add_(self.current, alpha=circuit.charge)
        if self.kick is not None:
            self.v.addcmul_(self.noise.normal_(generator=self.generator), self.kick)
        self.v.clamp_(*chip.limits.volts)
        if circuit.spikes:
            self._fire(tick)
        if (tick + 1) % chip.substeps == 0:
            self.record.append(self.v.clone())

    def _fire(self, tick: int) -> None:
        held = self.wait > 0
        fires = (self.v > self.circuit.theta).logical_and_(~held)
        self.v = torch.where(held.logical_or_(fires), self.circuit.reset, self.v)
        self.wait.sub_(1).clamp_(min=0).masked_fill_(fires, self.held)
        self.fired = fires.to(self.v.dtype)
        self.spikes.append((tick, fires.nonzero()))

    def events(self) -> Events:
        """What was fired; its times are those of the fine steps."""
        places = [np.zeros((0, 2), dtype=np.int64), *(fired.numpy() for _, fired in self.spikes)]
        trial, line = np.concatenate(places).T
        ticks = np.repeat([tick for tick, _ in self.spikes], [len(fired) for fired in places[1:]])
        return Events(trial, line, ticks.astype(np.float64) / self.chip.substeps)

    def codes(self) -> Integers:
        """The samples as their channels tell them."""
        limits = self.chip.limits
        v = torch.stack(self.record).double() * self.circuit.channel_gain + self.circuit.offset
        codes = ((v - limits.volts[0]) / limits.sample_step).round()
        return codes.clamp_(0, 2**limits.sample_bits - 1).to(torch.int32).numpy()
