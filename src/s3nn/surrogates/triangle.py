"""The triangular surrogate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["Triangle"]


@dataclass(frozen=True)
class Triangle(Surrogate):
    """max(0, 1 - |x| / width) / width, x = u - theta: a hat of area one.

    Derivative of ``(1 + x/width)^2 / 2`` below the threshold and ``1 - (1 - x/width)^2 / 2`` above,
    held at 0 and 1 outside of ``|x| < width``.
    Source: Esser et al., PNAS 113 (2016); Bellec et al., NeurIPS 2018.
    """

    width: float = 1.0

    widths = ("width",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        z = ((u - threshold) / self.width).clamp(-1, 1)
        return torch.where(z > 0, 1 - (1 - z) ** 2 / 2, (1 + z) ** 2 / 2)

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return (1 - ((u - threshold) / self.width).abs()).clamp(min=0) / self.width
