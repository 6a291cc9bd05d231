"""The full-precision twin's neuron."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron

__all__ = ["Relu"]


class Relu(Neuron):
    """max(0, u): no spikes, every synapse behind it multiplies."""

    emits = Edge.ANALOG

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()

    def forward(self, current: Tensor) -> Tensor:
        return torch.relu(current)
