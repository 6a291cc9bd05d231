"""The membranes of an emulated chip, fine step by fine step."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, isinf

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from s3nn.chip.interface import Events, Integers, Limits


@dataclass(frozen=True)
class Settings:
    """What holds for all neurons of a chip; see ``VirtualChip``."""

    limits: Limits
    noise: float
    refractory: float
    substeps: int
    current: float


def decay(tau: float, substeps: int, factor: Tensor) -> Tensor:
    """e^(-1 / (substeps tau factor)), 0 for tau = 0."""
    return torch.zeros_like(factor) if tau == 0 else (-1 / (substeps * tau * factor)).exp()


def lost(tau: float, substeps: int) -> float:
    """What leaks in a fine step, of what leaks in a whole one."""
    if tau == 0:
        return 1.0
    return 1 / substeps if isinf(tau) else (1 - exp(-1 / (substeps * tau))) / (1 - exp(-1 / tau))


@dataclass(frozen=True)
class Arrivals:
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
class Circuit:
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


class Membrane:
    """The state of a layer in all trials of a run, (trials, n), and what was recorded of it."""

    def __init__(
        self,
        circuit: Circuit,
        settings: Settings,
        steps: int,
        trials: int,
        arrivals: Arrivals,
        generator: torch.Generator,
    ) -> None:
        self.circuit, self.settings, self.generator = circuit, settings, generator
        self.held = ceil(settings.refractory * settings.substeps - 1e-9) if circuit.spikes else 0
        self.kick = (settings.noise * (1 - circuit.kept**2).sqrt()) if settings.noise else None
        self.v = circuit.leak.repeat(trials, 1)
        self.noise = torch.empty_like(self.v)
        if settings.noise:
            self.v.add_(self.noise.normal_(generator=generator), alpha=settings.noise)
        self.current = torch.zeros_like(self.v)
        self.wait = torch.zeros(self.v.shape, dtype=torch.int32)
        self.fired = torch.zeros_like(self.v)
        self.record = [self.v.clone()]
        self.spikes: list[tuple[int, Tensor]] = []
        self.sent: Tensor | None = None
        if circuit.source == 0:
            self.sent = arrivals.weighted(circuit.weights, steps * settings.substeps, trials)

    def tick(self, tick: int, spikes: Tensor | None) -> None:
        """One fine step, with the spikes that the layer before fired in it (None: from outside)."""
        circuit, settings = self.circuit, self.settings
        self.current *= circuit.synaptic
        if spikes is None:
            assert self.sent is not None
            self.current += self.sent[tick]
        else:
            self.current.addmm_(spikes, circuit.weights.T)
        self.current.clamp_(-settings.current, settings.current)
        self.v -= circuit.leak
        self.v *= circuit.kept
        self.v += circuit.leak
        self.v.add_(self.current, alpha=circuit.charge)
        if self.kick is not None:
            self.v.addcmul_(self.noise.normal_(generator=self.generator), self.kick)
        self.v.clamp_(*settings.limits.volts)
        if circuit.spikes:
            self._fire(tick)
        if (tick + 1) % settings.substeps == 0:
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
        return Events(trial, line, ticks.astype(np.float64) / self.settings.substeps)

    def codes(self) -> Integers:
        """The samples as their channels tell them."""
        limits = self.settings.limits
        v = torch.stack(self.record).double() * self.circuit.channel_gain + self.circuit.offset
        codes = ((v - limits.volts[0]) / limits.sample_step).round()
        return codes.clamp_(0, 2**limits.sample_bits - 1).to(torch.int32).numpy()
