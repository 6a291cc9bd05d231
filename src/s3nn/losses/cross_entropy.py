"""The cross-entropy of the answer."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.errors import UsageError
from s3nn.losses.base import Loss

__all__ = ["CrossEntropy"]


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-log softmax(scale answer)[label], the mean over the batch.

    A scale above 1 sharpens answers that are bounded, as membrane potentials are.

    >>> import torch
    >>> answer = torch.zeros(2, 4)
    >>> round(CrossEntropy()(answer[None], answer, torch.tensor([0, 3])).exp().item(), 4)
    4.0
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise UsageError(f"cross_entropy needs scale > 0, got {self.scale}")

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        return cross_entropy(self.scale * answer, labels, label_smoothing=smoothing)
