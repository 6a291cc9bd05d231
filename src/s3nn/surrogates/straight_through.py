"""The straight-through estimator."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor

from s3nn.surrogates.base import Surrogate

__all__ = ["StraightThrough"]


@dataclass(frozen=True)
class StraightThrough(Surrogate):
    """1[|x| < clip], x = u - theta: the gradient passes as if the spike were the identity.

    Derivative of ``1/2 + clamp(x, -clip, clip)``; ``clip=inf`` is the plain estimator.
    Source: Bengio, Leonard, Courville, arXiv 1308.3432 (2013); Hubara et al., NeurIPS 2016.
    """

    clip: float = inf

    widths = ("clip",)

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return 0.5 + (u - threshold).clamp(-self.clip, self.clip)

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return ((u - threshold).abs() < self.clip).to(u.dtype)
