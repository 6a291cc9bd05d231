"""What tasks have in common whose answer is an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torchmetrics import Metric
from torchmetrics.image import PeakSignalNoiseRatio

from s3nn.tasks.base import Task


@dataclass(frozen=True)
class Pictures(Task):
    """A task whose answer stands for a picture, and whose score is its PSNR.

    PSNR = -10 log10(mean squared error) in dB, of pixels in 0..1, clipped to that range as they
    are when written to a file; the score is the mean over pictures.
    """

    score: ClassVar[str] = "psnr_db"
    of_images: ClassVar[bool] = True

    def error(self, answer: Tensor, wanted: Tensor) -> Tensor:
        return mse_loss(answer, wanted)

    def metric(self) -> Metric:
        return PeakSignalNoiseRatio(data_range=1.0, dim=(1, 2, 3))

    def said(self, score: float) -> str:
        return f"{score:.2f} dB"

    def pixels(self, x: Tensor) -> Tensor:
        """Normalised images ``x`` as they are seen: pixels in 0..1."""
        mean, std = (torch.tensor(v).view(1, -1, 1, 1).to(x) for v in (self.mean, self.std))
        return (x * std + mean).clamp(0, 1)
