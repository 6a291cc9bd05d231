"""The surrogate of the single-step spiking neuron, and of this library."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.surrogates.base import Surrogate, fired

__all__ = ["S3"]


@dataclass(frozen=True)
class S3(Surrogate):
    """Activation-based where silent, timing-based where fired (Suetake et al. 2023).

    Equation, with ``sig`` the logistic function, u the membrane potential, theta the threshold::

        ds/du = alpha sig(alpha (u - theta)) (1 - sig(alpha (u - theta)))    for u <= theta
        ds/du = beta / u                                                     for u >  theta

    It is the derivative of ``sig(alpha (u - theta))`` below the threshold and of
    ``1/2 + beta ln(u / theta)`` above it.  The branches meet where ``alpha / 4 = beta / theta``;
    ``beta=None`` means just that, ``beta = alpha theta / 4``, at every threshold.  ``gap`` says by
    how much they miss each other.

    Source: Suetake, Ikegawa, Saiin, Sawada, "S3NN", Neural Networks 159 (2023) 208-219,
    arXiv 2201.10879.

    Parameters
    ----------
    alpha: slope of the sigmoid branch, > 0.
    beta: weight of the timing branch, >= 0, or ``None`` for continuity at the threshold.

    >>> S3(alpha=4.0, beta=1.0).gap(1.0), S3(alpha=5.0, beta=1.0).gap(1.0), S3(beta=None).gap(0.5)
    (0.0, 0.25, 0.0)
    """

    alpha: float = 4.0
    beta: float | None = 1.0

    by_ratio = True
    slopes = ("alpha",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta is not None and not 0 <= self.beta < inf:
            raise UsageError(f"s3 needs a finite beta >= 0, or None, got {self.beta}")

    def gap(self, threshold: float) -> float:
        """How far the branches are apart at the threshold: ``|alpha/4 - beta/theta|``."""
        return 0.0 if self.beta is None else abs(self.alpha / 4 - self.beta / threshold)

    def _beta(self, threshold: Tensor | float) -> Tensor | float:
        return self.alpha * threshold / 4 if self.beta is None else self.beta

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        above = u > threshold
        # The branch that is not taken still enters the gradient of `where`: keep it finite.
        safe_u = torch.where(above, u, torch.ones_like(u) * threshold)
        timing = 0.5 + self._beta(threshold) * torch.log(safe_u / threshold)
        return torch.where(above, timing, torch.sigmoid(self.alpha * (u - threshold)))

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        # Arithmetic instead of `where`: on a CPU a mask of booleans costs more than all the rest.
        # lerp is exact at its ends, and max(u, theta) keeps the branch not taken finite.
        step = torch.sub(u, threshold).mul_(self.alpha).sigmoid_()
        activation = torch.addcmul(step, step, step, value=-1).mul_(self.alpha)
        timing = self._beta(threshold) / torch.clamp(u, min=threshold)
        return torch.lerp(activation, timing, fired(u, threshold))
