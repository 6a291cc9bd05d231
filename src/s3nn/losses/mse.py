"""The squared distance of the answer from the image that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import mse_loss

from s3nn.losses.base import Loss

__all__ = ["Mse"]


@dataclass(frozen=True)
class Mse(Loss):
    """(answer - wanted)^2, the mean over batch and values, of answers that are images.

    With ``total`` it is 1/2 |answer - wanted|^2, the sum over the values of an image and the mean
    over the batch, as DnCNN is trained (Zhang et al., IEEE TIP 26 (2017), equation 1).

    >>> import torch
    >>> answer, wanted = torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    >>> [Mse(total)(answer[None], answer, wanted).item() for total in (False, True)]
    [1.0, 8.0]
    """

    smooths: ClassVar[bool] = False
    of_images: ClassVar[bool] = True

    total: bool = False

    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        if self.total:
            return mse_loss(answer, labels, reduction="sum") / (2 * len(labels))
        return mse_loss(answer, labels)
