"""Counts x prices."""

from __future__ import annotations

from dataclasses import dataclass

from s3nn.energy.counts import Counts
from s3nn.energy.prices import LayerEnergy, PriceList


@dataclass(frozen=True)
class Energy:
    """The energy of one inference, layer by layer, in picojoules."""

    layers: tuple[LayerEnergy, ...]

    @property
    def compute_pj(self) -> float:
        return sum(layer.compute_pj for layer in self.layers)

    @property
    def memory_pj(self) -> float:
        return sum(layer.memory_pj for layer in self.layers)

    @property
    def total_pj(self) -> float:
        return self.compute_pj + self.memory_pj


def price(counts: Counts, prices: PriceList) -> Energy:
    """The energy of an inference, the mean over the samples of ``counts``."""
    return Energy(tuple(prices.layer(layer, counts.samples) for layer in counts.layers))
