"""What the host does for a chip: weights to integers, spikes in, samples to potentials."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log

import numpy as np
import torch
from torch import Tensor, nn

from s3nn.chip.injection import Injected, Measured, MeasuredScan
from s3nn.chip.interface import Chip, Events, Layer, Limits, Recording
from s3nn.clock import Encoder
from s3nn.graph.ir import Edge
from s3nn.neurons.cuba import Cuba
from s3nn.neurons.integrator import Integrator
from s3nn.synapses import SynapticLinear

# Time constants, in sampling intervals, of neurons that have none themselves: those of the authors.
SINGLE_STEP_TAU = 6.0 / 1.7
# Intervals that a volley is waited for after the peak of its potential, for neurons that are slow.
PATIENCE = 1


def to_integers(weight: Tensor, limits: Limits, scale: float) -> Tensor:
    """clamp(round(w scale), +-largest): the integers that a chip gets for the weights w."""
    most = limits.largest_weight
    return (weight.detach().double() * scale).round().clamp(-most, most)


@dataclass(frozen=True)
class OnChip:
    """A layer of the model and its place on the chip.

    first: of its first neuron.  theta: the threshold of its neurons; 1 for a read-out.
    """

    synapses: SynapticLinear
    neurons: Injected
    first: int
    theta: float
    spikes: bool

    def scale(self, limits: Limits, peak: float = 1.0) -> float:
        """Integers a unit of weight; a read-out is scaled until its largest weight fits.

        ``peak`` is the largest potential that a spike through a weight of 1 causes on the chip,
        where that is to be 1.
        """
        full = limits.full_scale * self.theta * peak
        if not self.spikes:
            full = max(full, float(self.seen().abs().max()))
        return limits.largest_weight / full

    def unit(self, limits: Limits, peak: float = 1.0) -> float:
        """The model's potential for a threshold of the chip's."""
        return limits.largest_weight / limits.full_scale / self.scale(limits, peak) / peak

    def seen(self) -> Tensor:
        """The weights (n, m) as the model's synapses see them."""
        seen: Tensor = self.synapses.synapse(self.synapses.weight).detach()
        return seen

    def layer(self, limits: Limits, source: int, peak: float = 1.0) -> Layer:
        """The layer as it is written to the chip."""
        integers = to_integers(self.seen(), limits, self.scale(limits, peak))
        tau_s, tau_m = self._taus()
        weights = integers.to(torch.int32).cpu().numpy()
        return Layer(weights, source, self.first, self.spikes, tau_s, tau_m)

    def _taus(self) -> tuple[float, float]:
        neuron = self.neurons.neuron if isinstance(self.neurons, MeasuredScan) else None
        if isinstance(neuron, (Cuba, Integrator)):
            return exponential(neuron.tau_s), exponential(neuron.tau_m)
        return SINGLE_STEP_TAU, SINGLE_STEP_TAU


def exponential(tau: float) -> float:
    """The T with e^(-1/T) = 1 - 1/tau, in steps.

    >>> round(exponential(2.0), 4), exponential(1.0), exponential(inf)
    (1.4427, 0.0, inf)
    """
    return 0.0 if tau == 1 else inf if tau == inf else -1 / log(1 - 1 / tau)


def volley(tau: float = SINGLE_STEP_TAU) -> tuple[int, float]:
    """The step at which a volley's potential peaks, and the peak that a weight of 1 causes.

    From I[t] = k I[t-1] and v[t] = k v[t-1] + I[t], k = e^(-1/tau), the potential is (t + 1) k^t.

    >>> volley(1.0)
    (0, 1.0)
    """
    kept = np.exp(-1 / tau)
    course = [(t + 1) * kept**t for t in range(ceil(tau) + 1)]
    peak = int(np.argmax(course))
    return peak, float(course[peak])


class ToChip(Encoder):
    """An encoder whose spikes go to a chip too, before the model sees them.

    What the chip tells is put into the layers, which come after.  A network in time goes there
    whole and runs as long as its steps.  A single step goes there layer by layer, each a volley:
    every spike at once, the chip run until the potential has peaked, who fired gathered, and sent
    as one volley to the next layer, which is other neurons at rest; nobody waits for a leak.

    In training every batch has fresh noise, from torch's generator; in eval mode always the same.
    """

    emits = Edge.SPIKE

    def __init__(self, encoder: Encoder, chip: Chip, layers: tuple[OnChip, ...]) -> None:
        nn.Module.__init__(self)
        self.encoder, self.steps = encoder, encoder.steps
        self.chip, self.layers = chip, layers  # in a tuple: no modules of ours

    def shape(self, image: tuple[int, int, int]) -> tuple[int, int, int]:
        return self.encoder.shape(image)

    def forward(self, x: Tensor) -> Tensor:
        shown: Tensor = self.encoder(x)
        spikes = shown.detach().flatten(1).unflatten(0, (self.steps, -1))
        seed = int(torch.randint(2**62, ())) if self.training else 0
        if self.steps > 1:
            self._whole(spikes, seed)
        else:
            self._layer_by_layer(spikes, seed)
        return shown

    def _whole(self, spikes: Tensor, seed: int) -> None:
        limits, (steps, trials, _) = self.chip.limits, spikes.shape
        written = [layer.layer(limits, source) for source, layer in enumerate(self.layers)]
        self.chip.configure(written)
        told = self.chip.run(_events(spikes), steps=steps, trials=trials, seed=seed)
        for number, layer in enumerate(self.layers):
            v = _potentials(told, number, limits, spikes)[1:] * layer.unit(limits)
            n = v.shape[2]
            fired = told.spikes[number].in_steps(steps, trials, n) if layer.spikes else None
            layer.neurons.measured = Measured(v, None if fired is None else _like(fired, spikes))

    def _layer_by_layer(self, spikes: Tensor, seed: int) -> None:
        limits, (at, peak) = self.chip.limits, volley()
        steps, trials = at + 1 + PATIENCE, spikes.shape[1]
        for number, layer in enumerate(self.layers):
            self.chip.configure([layer.layer(limits, 0, peak)])
            told = self.chip.run(_events(spikes), steps=steps, trials=trials, seed=seed + number)
            v = _potentials(told, 0, limits, spikes)[at + 1 : at + 2] * layer.unit(limits, peak)
            if not layer.spikes:
                layer.neurons.measured = Measured(v, None)
                return
            fired = told.spikes[0].in_steps(steps, trials, v.shape[2]).max(0, keepdims=True)
            spikes = _like(fired, spikes)
            layer.neurons.measured = Measured(v, spikes)

    def extra_repr(self) -> str:
        return f"steps={self.steps}, chip={type(self.chip).__name__}"


def _events(spikes: Tensor) -> Events:
    return Events.of_steps(spikes.cpu().numpy())


def _potentials(told: Recording, number: int, limits: Limits, like: Tensor) -> Tensor:
    """The potentials of a layer's samples above the first one, which was taken at rest."""
    codes = torch.from_numpy(np.asarray(told.samples[number], dtype=np.int64))
    return ((codes - codes[:1]) * limits.sample_step).to(like)


def _like(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)
