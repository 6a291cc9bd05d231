"""What an inference spends as a linear function of its spikes, with the gradient of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from s3nn.energy.counting import count
from s3nn.energy.counts import Counts, LayerCounts
from s3nn.energy.ledger import price
from s3nn.energy.prices import PriceList
from s3nn.energy.watching import Firing, Meter, Reading, accumulations, total
from s3nn.graph.ir import Edge

# So many spikes more give the price of one: prices are linear, and 64 bits are enough.
MANY = 10**9


@dataclass(frozen=True, eq=False)
class Spending(Meter):
    """Spent = fixed + sum over layers of what their spikes cost, each price in ``unit`` a piece.

    fixed             an inference in which no neuron fires
    accumulation      of a layer that reads spikes, by its name: one accumulation
    reading           the same: one spike that is read, behind the pools
    firing            of a layer that emits spikes, by its name: one spike
    """

    unit: str
    fixed: float
    accumulation: dict[str, float]
    reading: dict[str, float]
    firing: dict[str, float]

    def of_reading(self, reading: Reading) -> Tensor | None:
        each = self.accumulation.get(reading.site.name, 0.0)
        once = self.reading.get(reading.site.name, 0.0)
        if not each and not once:
            return None
        spent = each * accumulations(reading.spikes, reading.fan_out)
        return spent + once * total(reading.spikes) if once else spent

    def of_firing(self, firing: Firing) -> Tensor | None:
        each = self.firing.get(firing.site.name, 0.0)
        return each * total(firing.spikes) if each else None


def of_firing_rate(network: nn.Module, shape: tuple[int, ...]) -> Spending:
    """The mean firing rate over all hidden neurons and steps; ``shape`` is an image's (C, H, W)."""
    layers = _emitting(_counts(network, shape))
    each = 1 / sum(layer.outputs for layer in layers)
    return Spending("spikes a neuron", 0.0, {}, {}, {layer.name: each for layer in layers})


def of_spikes(network: nn.Module, shape: tuple[int, ...]) -> Spending:
    """Spikes an inference, over all hidden neurons and steps."""
    layers = _emitting(_counts(network, shape))
    return Spending("spikes", 0.0, {}, {}, {layer.name: 1.0 for layer in layers})


def of_energy(network: nn.Module, shape: tuple[int, ...], prices: PriceList) -> Spending:
    """Picojoules an inference by ``prices``: exactly what ``price(count(...))`` gives.

    The fixed part are operations that do not depend on spikes: the MACs of the first layer, biases,
    updates of neurons, and whatever reads no spikes.
    """
    silent = _counts(network, shape).silent()

    def one_more(layer: LayerCounts, kind: str) -> float:
        more = replace(layer, **{kind: MANY})  # type: ignore[arg-type]
        gap = prices.layer(more, silent.samples).total_pj
        return (gap - prices.layer(layer, silent.samples).total_pj) * silent.samples / MANY

    reading = [x for x in silent.layers if x.reads is Edge.SPIKE and x.weights]
    return Spending(
        "pJ",
        price(silent, prices).total_pj,
        {layer.name: one_more(layer, "acs") for layer in reading},
        {layer.name: one_more(layer, "spikes_in") for layer in reading},
        {layer.name: one_more(layer, "spikes_out") for layer in _emitting(silent)},
    )


def _counts(network: nn.Module, shape: tuple[int, ...]) -> Counts:
    """The counts of one black image; all but its spikes are those of any image."""
    first = next(network.parameters())
    return count(network, [torch.zeros(1, *shape, dtype=first.dtype)])


def _emitting(counts: Counts) -> list[LayerCounts]:
    return [layer for layer in counts.layers if layer.firing_rate is not None]
