"""Every output neuron has a time at which it is to fire: the label's first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from s3nn.errors import UsageError, unknown_name
from s3nn.losses.base import Loss

__all__ = ["TargetTime"]

Form = Literal["first", "mean"]


@dataclass(frozen=True)
class TargetTime(Loss):
    """1/2 sum over the K classes of (t - w)^2, the batch mean; w the times that are wanted.

    form "first", with t1 the first of the times (T - delta, if all are silent, t = T)::

        label: w = t1        others: w = min(T, max(t, t1 + delta))

    form "mean", with m the mean of the times::

        label: w = min(t, m - (K-1)/K delta)        others: w = min(T, max(t, m + delta/K))

    The answer is the leads y = T - t in steps, that of the read-out first_spike of scale 1 (0:
    silent); w is a constant to the gradient.
    Source: Liu et al., "SSTDP", Front. Neurosci. 15 (2021) 756876: "first" is the authors' code
    (delta 5 of 255 steps), "mean" their paper, as it is cited; the bound T there is ours.

    >>> y = torch.tensor([[[3.0, 7.0, 0.0]]])  # the second class is first, and 4 steps ahead
    >>> [TargetTime(5.0)(y, y[0], torch.tensor([k])).item() for k in (1, 0)]  # 1^2/2; 4^2/2 + 5^2/2
    [0.5, 20.5]
    """

    smooths: ClassVar[bool] = False

    delta: float = 5.0
    form: Form = "first"

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise UsageError(f"target_time needs delta > 0 steps, got {self.delta}")
        if self.form not in get_args(Form):
            raise unknown_name("form of target_time", str(self.form), get_args(Form))

    def wanted(self, leads: Tensor, labels: Tensor) -> Tensor:
        """T - w for leads (N, K) and labels (N,)."""
        label = one_hot(labels, leads.shape[1]).bool()
        if self.form == "first":
            first = leads.amax(1, keepdim=True)
            first = torch.where(first == 0, self.delta, first)
            early, late = first.expand_as(leads), first - self.delta
        else:
            share = self.delta / leads.shape[1]
            mean = leads.mean(1, keepdim=True)
            early = torch.maximum(leads, mean + self.delta - share)
            late = mean - share
        return torch.where(label, early, torch.minimum(leads, late).clamp(min=0))

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        wanted = self.wanted(answer.detach(), labels)
        return (answer - wanted).square().sum(1).mean() / 2
