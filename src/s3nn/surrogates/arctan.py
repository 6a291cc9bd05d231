"""The arc-tangent surrogate."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["Arctan"]


@dataclass(frozen=True)
class Arctan(Surrogate):
    """(alpha / 2) / (1 + (pi alpha x / 2)^2), x = u - theta.

    Derivative of ``arctan(pi alpha x / 2) / pi + 1/2``.
    Source: Fang et al., "Incorporating learnable membrane time constant", ICCV 2021.
    """

    alpha: float = 2.0

    slopes = ("alpha",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return torch.atan(pi / 2 * self.alpha * (u - threshold)) / pi + 0.5

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return self.alpha / 2 / (1 + (pi / 2 * self.alpha * (u - threshold)) ** 2)
