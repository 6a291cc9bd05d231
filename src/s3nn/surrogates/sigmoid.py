"""The logistic surrogate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["Sigmoid"]


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """Derivative of the logistic function: alpha sig(alpha x) (1 - sig(alpha x)), x = u - theta.

    Source: Zenke & Ganguli, "SuperSpike", Neural Computation 30 (2018), who compare with it; it is
    the activation branch of s3 on both sides of the threshold.
    """

    alpha: float = 4.0

    slopes = ("alpha",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return torch.sigmoid(self.alpha * (u - threshold))

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        step = torch.sigmoid(self.alpha * (u - threshold))
        return self.alpha * step * (1 - step)
