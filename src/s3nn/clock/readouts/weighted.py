"""Temporally weighted output: steps that are right more often count for more."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.clock.readouts.base import Readout
from s3nn.errors import UsageError

__all__ = ["Weighted"]


class Weighted(Readout):
    """1/T sum_t f[t] y[t], f[t] following the training accuracy of step t alone (TWO).

    f[t] = 1 in epochs 0 to ``warm_up``.  Then, at the start of every epoch, with acc[t] the share
    of the last epoch's training images that y[t] alone names right::

        f[t] <- decay f[t] + (1 - decay) acc[t] / mean(acc)

    Outside of training f stands still.  With one step it stays 1: there is nothing to weigh.
    Source: Li, Zhao, Zhao, Zeng, "Directly training temporal spiking neural networks with sparse
    surrogate gradient", Neural Networks 179 (2024), arXiv 2406.19645, and the authors' code.

    >>> readout = Weighted(steps=2, warm_up=0)
    >>> readout.learn(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.tensor([0]))
    >>> readout.begin_epoch(1)
    >>> [round(f, 2) for f in readout.weights.tolist()]
    [1.3, 0.7]
    """

    of_classes = True

    weights: Tensor
    hits: Tensor

    def __init__(self, steps: int, decay: float = 0.7, warm_up: int = 5) -> None:
        super().__init__(steps)
        if not 0 <= decay < 1:
            raise UsageError(f"weighted needs 0 <= decay < 1, got {decay}")
        if warm_up < 0:
            raise UsageError(f"weighted needs warm_up >= 0 epochs, got {warm_up}")
        self.decay, self.warm_up = decay, warm_up
        self.register_buffer("weights", torch.ones(steps))
        self.register_buffer("hits", torch.zeros(steps, dtype=torch.int64))

    def forward(self, outputs: Tensor) -> Tensor:
        # A copy: the weights change in place, possibly before the backward pass.
        weights = self.weights.to(outputs.dtype, copy=True)
        return (weights.view(-1, 1, 1) * outputs).mean(0)

    @torch.no_grad()
    def learn(self, outputs: Tensor, labels: Tensor) -> None:
        self.hits += (outputs.argmax(2) == labels).sum(1)

    @torch.no_grad()
    def begin_epoch(self, epoch: int) -> None:
        hits = self.hits.clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(hits)
        if epoch > self.warm_up and bool(hits.any()):
            share = hits / hits.double().mean()
            self.weights.mul_(self.decay).add_((1 - self.decay) * share.to(self.weights.dtype))
        self.hits.zero_()

    def extra_repr(self) -> str:
        return f"steps={self.steps}, decay={self.decay}, warm_up={self.warm_up}"
