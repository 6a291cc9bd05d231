"""Temporal efficient training: every step answers for itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.errors import UsageError
from s3nn.losses.base import Loss

__all__ = ["Tet"]


@dataclass(frozen=True)
class Tet(Loss):
    """(1 - share) mean_t CE(y[t], label) + share mean_t (y[t] - goal)^2.

    Every step learns to answer by itself; the second term, a mean over classes too, keeps outputs
    from growing apart.  The goal is the threshold of the network's neurons.
    Source: Deng, Li, Zhang, Gu, "Temporal efficient training of spiking neural network via gradient
    re-weighting", ICLR 2022, arXiv 2202.11946.
    """

    share: float = 0.05
    goal: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"tet needs a share from 0 to 1, got {self.share}")

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        steps = outputs.flatten(0, 1)
        entropy = cross_entropy(steps, labels.repeat(len(outputs)), label_smoothing=smoothing)
        return (1 - self.share) * entropy + self.share * (steps - self.goal).square().mean()
