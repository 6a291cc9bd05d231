"""What noise lies on an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.tasks._pictures import Pictures

__all__ = ["Denoising"]


@dataclass(frozen=True)
class Denoising(Pictures):
    """y = x + n, n white and Gaussian of deviation sigma/255: the answer is n, the picture y - n.

    The network is shown y, which is not clipped, and learns the noise (residual learning).  In
    training the noise is another one in every epoch, in evaluation always the same, drawn picture
    by picture.  ``sigma`` is of pixels from 0 to 255.
    Source: Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian denoiser: residual learning of deep
    CNN for image denoising", IEEE TIP 26 (2017), arXiv 1608.03981.

    >>> Denoising(classes=1, sigma=15).said(29.126)
    '29.13 dB'
    """

    sigma: float = 25.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma <= 255:
            raise UsageError(f"denoising needs 0 < sigma <= 255, of 255 grey levels: {self.sigma}")

    def pose(self, x: Tensor, labels: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        drawn = torch.stack([torch.randn(x.shape[1:], generator=noise) for _ in x]).to(x)
        n = drawn * (self.sigma / 255 / torch.tensor(self.std).view(1, -1, 1, 1).to(x))
        return x + n, n

    def says(self, shown: Tensor, answer: Tensor) -> Tensor:
        return self.pixels(shown - answer)
