"""The single-step spiking neuron."""

from __future__ import annotations

from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron, threshold_of
from s3nn.surrogates.base import Surrogate, spike
from s3nn.surrogates.s3 import S3

__all__ = ["Fire"]


class Fire(Neuron):
    """s = 1[u > theta], with no time axis, no state and no reset.

    The membrane potential u is the layer's input current, shape (N, C, ...); backward uses
    ``surrogate``.  Source: Suetake et al., Neural Networks 159 (2023), arXiv 2201.10879.

    Parameters
    ----------
    threshold: theta > 0, its start where it is learned.
    surrogate: what backward multiplies by; the paper's S3 unless told otherwise.
    learn: train the threshold (its gradient is minus the spike's).
    per_channel: one threshold a channel instead of one a layer.

    >>> import torch
    >>> Fire(threshold=0.5)(torch.tensor([[0.4, 0.5, 0.6]])).tolist()
    [[0.0, 0.0, 1.0]]
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        threshold: float = 1.0,
        surrogate: Surrogate | None = None,
        learn: bool = False,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = S3() if surrogate is None else surrogate

    def forward(self, current: Tensor) -> Tensor:
        return spike(current, self.threshold(current), self.surrogate)

    def extra_repr(self) -> str:
        return f"surrogate={self.surrogate}"
