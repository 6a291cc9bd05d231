"""The rectangular surrogate."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["Rectangle"]


@dataclass(frozen=True)
class Rectangle(Surrogate):
    """1[|x| < width / 2] / width, x = u - theta: a box of area one.

    Derivative of ``clamp(x / width + 1/2, 0, 1)``.
    Source: Wu et al., "Spatio-temporal backpropagation", Frontiers in Neuroscience 12 (2018).
    """

    width: float = 1.0

    widths = ("width",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return ((u - threshold) / self.width + 0.5).clamp(0, 1)

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return ((u - threshold).abs() < self.width / 2).to(u.dtype) / self.width
