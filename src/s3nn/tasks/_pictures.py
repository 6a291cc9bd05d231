"""What tasks have in common whose answer is an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from s3nn.tasks.base import Task

if TYPE_CHECKING:
    from torchmetrics import Metric

MOST_DB = 20 * math.log10(2**16 - 1)
"""What a picture that is right within a step of 16 bits counts for in a mean, 96 dB."""


def psnr_db(pictures: Tensor, true: Tensor) -> Tensor:
    """-10 log10 of the mean squared error, a number a picture; both (N, C, H, W) in 0..1.

    >>> psnr_db(torch.full((1, 1, 8, 8), 0.6), torch.full((1, 1, 8, 8), 0.5)).round().tolist()
    [20.0]
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    axes = (1, 2, 3)
    return peak_signal_noise_ratio(pictures, true, data_range=1.0, dim=axes, reduction="none")


@dataclass(frozen=True)
class Pictures(Task):
    """A task whose answer stands for a picture, and whose score is its PSNR.

    PSNR = -10 log10(mean squared error) in dB, of pixels in 0..1, clipped to that range as they
    are when written to a file; the score is the mean over pictures, none beyond ``MOST_DB``.
    """

    score: ClassVar[str] = "psnr_db"
    of_images: ClassVar[bool] = True

    def error(self, answer: Tensor, wanted: Tensor) -> Tensor:
        return mse_loss(answer, wanted)

    def metric(self) -> Metric:
        from s3nn.tasks._mean_psnr import MeanPsnr

        return MeanPsnr()

    def said(self, score: float) -> str:
        return f"{score:.2f} dB"

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised images ``x`` as they are seen: pixels in 0..1."""
        mean, std = (torch.tensor(v).view(1, -1, 1, 1).to(x) for v in (self.mean, self.std))
        return (x * std + mean).clamp(0, 1)
