"""The fast-sigmoid surrogate of SuperSpike."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["Superspike"]


@dataclass(frozen=True)
class Superspike(Surrogate):
    """1 / (1 + slope |x|)^2, x = u - theta.

    Derivative of ``1/2 + x / (1 + slope |x|)``; it is 1 at the threshold at every slope, so that
    the step's height is ``2 / slope`` and not one.
    Source: Zenke & Ganguli, "SuperSpike", Neural Computation 30 (2018).
    """

    slope: float = 10.0

    slopes = ("slope",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        x = u - threshold
        return 0.5 + x / (1 + self.slope * x.abs())

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return 1 / (1 + self.slope * (u - threshold).abs()) ** 2
