"""The label's output neuron is to fire first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.errors import UsageError
from s3nn.losses.base import Loss

__all__ = ["Latency"]


class _FirstTime(torch.autograd.Function):
    """t1 of spikes (T, N, K), T where there is none; its gradient is put down at that spike."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor) -> Tensor:
        fired = spikes > 0
        first = fired.to(torch.uint8).argmax(0)
        silent = ~fired.any(0)
        ctx.save_for_backward(first, silent)
        ctx.shape = spikes.shape
        return first.masked_fill(silent, len(spikes)).to(spikes.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (grad,) = grads
        first, silent = ctx.saved_tensors
        at_spikes = grad.masked_fill(silent, 0)
        return grad.new_zeros(ctx.shape).scatter_(0, first.unsqueeze(0), at_spikes.unsqueeze(0))


@dataclass(frozen=True)
class Latency(Loss):
    """CE((T - t1) / scale, label) + silence [the label's output neuron is silent], batch mean.

    t1 is the step of an output neuron's first spike, T if there is none.  The gradient of t1 lies
    at that spike: it is one of times, as the neuron ``antlr`` behind the outputs takes it.  Of the
    second term, every step of a silent label's neuron has the gradient -silence / N.
    Source: Kim, Kim, Kim, "Unifying activation- and timing-based learning rules for spiking neural
    networks", NeurIPS 2020, and the authors' code (scale 6, silence 0.1).

    >>> spikes = torch.tensor([[[0.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]])
    >>> right, wrong = (Latency(1.0)(spikes, spikes.sum(0), torch.tensor([k])) for k in (1, 0))
    >>> round((wrong - right).item(), 4)  # (3 - 1) / 1, and 0.1 for silence
    2.1
    """

    of_times = True

    scale: float = 6.0
    silence: float = 0.1

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise UsageError(f"latency needs scale > 0, got {self.scale}")
        if not self.silence >= 0:
            raise UsageError(f"latency needs silence >= 0, got {self.silence}")

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        early = (len(outputs) - _FirstTime.apply(outputs)) / self.scale
        loss = cross_entropy(early, labels, label_smoothing=smoothing)
        of_label = outputs.take_along_dim(labels.view(1, -1, 1), 2).squeeze(2)
        silent = ~(of_label > 0).any(0)
        return loss + self.silence * (silent * (1 - of_label.sum(0))).mean()
