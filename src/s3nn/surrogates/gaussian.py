"""The Gaussian surrogate."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import torch
from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian(Surrogate):
    """exp(-x^2 / (2 sigma^2)) / (sigma sqrt(2 pi)), x = u - theta.

    Derivative of the normal distribution function ``(1 + erf(x / (sigma sqrt 2))) / 2``.
    Source: Yin, Corradi, Bohte, Nature Machine Intelligence 3 (2021).
    """

    sigma: float = 0.5

    widths = ("sigma",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return (1 + torch.erf((u - threshold) / (self.sigma * sqrt(2)))) / 2

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        z = (u - threshold) / self.sigma
        return torch.exp(-z * z / 2) / (self.sigma * sqrt(2 * pi))
