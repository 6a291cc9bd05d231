"""The neuron of a binary network."""

from __future__ import annotations

from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron
from s3nn.surrogates.base import spike
from s3nn.surrogates.rectangle import Rectangle

__all__ = ["Sign"]


class Sign(Neuron):
    """+1 if u > 0 else -1; backward 1[|u| < 1], the clipped straight-through estimator.

    Source: Hubara et al., "Binarized neural networks", NeurIPS 2016.
    """

    emits = Edge.SIGN

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()
        # 2 s - 1 doubles the gradient; the box of area one and width two halves it.
        self.surrogate = Rectangle(width=2.0)

    def forward(self, current: Tensor) -> Tensor:
        return 2 * spike(current, 0.0, self.surrogate) - 1
