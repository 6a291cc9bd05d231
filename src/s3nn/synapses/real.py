"""Weights as they are."""

from __future__ import annotations

from torch import Tensor

from s3nn.synapses.base import Synapse

__all__ = ["Real"]


class Real(Synapse):
    """w is used as it is trained: 32-bit floating point."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight

    def at_the_ends(self) -> Synapse:
        return Real()
