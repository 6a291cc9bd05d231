"""What image a network was shown."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s3nn.tasks._pictures import Pictures

__all__ = ["Reconstruction"]


@dataclass(frozen=True)
class Reconstruction(Pictures):
    """The answer is the normalised image itself, as of an autoencoder.

    >>> Reconstruction(classes=1).of_images
    True
    """

    def pose(self, x: Tensor, labels: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        return x, x

    def says(self, shown: Tensor, answer: Tensor) -> Tensor:
        return self.pixels(answer)
