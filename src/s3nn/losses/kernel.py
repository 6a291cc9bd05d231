"""The distance of output currents from those of a wanted spike train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from s3nn.errors import UsageError
from s3nn.losses.base import Loss

__all__ = ["Kernel"]


@dataclass(frozen=True)
class Kernel(Loss):
    """1/2 sum over batch, classes and steps of (y[t] - w[t])^2, w the current that is wanted.

    The label's output neuron is to fire at every step from ``start`` on, all others never; w is
    that spike train through a synapse of time constant tau, w[t] = w[t-1] + (s[t] - w[t-1])/tau.
    The outputs are synaptic currents, as the neuron ``timing`` emits them.
    Source: Zhang & Li, "Temporal spike sequence learning via backpropagation", NeurIPS 2020, and
    the authors' code, where start is 1, tau 3 and T 5.

    >>> y = torch.zeros(2, 1, 3)
    >>> Kernel(tau=1.0)(y, y.mean(0), torch.tensor([0])).item()  # one spike is wanted, at step 1
    0.5
    """

    smooths: ClassVar[bool] = False
    sums: ClassVar[bool] = True

    tau: float = 3.0
    start: int = 1

    def __post_init__(self) -> None:
        if not self.tau >= 1:
            raise UsageError(f"kernel needs tau >= 1 step, got {self.tau}")
        if self.start < 0:
            raise UsageError(f"kernel needs start >= 0, a step, got {self.start}")

    @property
    def least_steps(self) -> int:
        return self.start + 1

    def wanted(self, steps: int) -> Tensor:
        """The current w (T,) of a neuron that is to fire."""
        current, trace = 0.0, []
        for step in range(steps):
            current += (float(step >= self.start) - current) / self.tau
            trace.append(current)
        return torch.tensor(trace)

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        fires = one_hot(labels, outputs.shape[2])
        wanted = self.wanted(len(outputs)).to(outputs).view(-1, 1, 1) * fires
        return (outputs - wanted).square().sum() / 2
