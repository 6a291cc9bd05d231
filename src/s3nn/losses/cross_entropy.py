"""The cross-entropy of the answer."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.losses.base import Loss

__all__ = ["CrossEntropy"]


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-log softmax(answer)[label], the mean over the batch.

    >>> import torch
    >>> answer = torch.zeros(2, 4)
    >>> round(CrossEntropy()(answer[None], answer, torch.tensor([0, 3])).exp().item(), 4)
    4.0
    """

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        return cross_entropy(answer, labels, label_smoothing=smoothing)
