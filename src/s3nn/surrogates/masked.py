"""Masked surrogate gradients: a random part of the neurons learns nothing from a backward pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from s3nn.errors import UsageError, unknown_name
from s3nn.registry import SURROGATES
from s3nn.surrogates.base import Surrogate

__all__ = ["Masked"]

Target = Literal["all", "silent", "fired"]


@dataclass(frozen=True)
class Masked(Surrogate):
    """The surrogate ``of``, set to 0 with probability p in each backward pass (MSG).

    With g the derivative of ``of`` at (u, theta), a backward pass multiplies by::

        m g              m = 0 with probability p, else 1
        m g / (1 - p)    with ``rescale``

    m is drawn anew for each element of u (sample, neuron and step) and each backward call, by
    torch's generator, so that a seeded run repeats.  The forward pass is not touched; evaluation
    makes no draw.  ``derivative`` is the mean of the draws, (1 - p) g or, rescaled, g, and
    ``primitive`` the step that belongs to it, of height 1 - p if ``of`` has 1.

    Source: Li, Zhao, Zhao, Zeng, "Directly training temporal spiking neural networks with sparse
    surrogate gradient", Neural Networks 179 (2024), arXiv 2406.19645, and the authors' code
    (Brain-Cog-Lab/msg), which masks all elements alike and does not rescale; its arctan may put
    another derivative in place of the zero, which is not offered here.  ``rescale`` is the
    1/(1 - p) of the paper's analysis.  Targets other than all are an interpretation.

    Parameters
    ----------
    of: the surrogate that is masked, any; the authors' triangle unless told otherwise.
    p: probability of a zero, 0 <= p < 1.  At 0 nothing is drawn and gradients are those of ``of``.
    rescale: keep the mean gradient by 1/(1 - p) on the elements that may be masked.
    target: which elements may be masked: all; those that were silent, u <= theta; or those that
        fired, u > theta.  Of s3 these two are the branches: activation- and timing-based.

    >>> from s3nn.surrogates import Triangle
    >>> masked, u = Masked(of=Triangle(width=1.0), p=0.5), torch.full((8,), 1.5)
    >>> masked.derivative(u, 1.0).unique().tolist()
    [0.25]
    >>> sorted(set(masked.backward_factor(u, 1.0).tolist()) | {0.0, 0.5})
    [0.0, 0.5]
    """

    of: Surrogate = field(default_factory=lambda: SURROGATES.build("triangle"))
    p: float = 0.5
    rescale: bool = False
    target: Target = "all"

    def __post_init__(self) -> None:
        if not isinstance(self.of, Surrogate):
            raise UsageError(f"masked needs a surrogate, masked(of=s3(alpha=5)), got {self.of!r}")
        if not 0 <= self.p < 1:
            raise UsageError(f"masked needs a probability 0 <= p < 1, got {self.p}")
        if self.target not in get_args(Target):
            raise unknown_name("target of masked", str(self.target), get_args(Target))

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        below, above = (self._mean(self.target in ("all", side)) for side in ("silent", "fired"))
        rise = self.of.primitive(u, threshold)
        if below == above:
            return below * rise
        # The two sides climb by different shares of the same step: they meet at the threshold.
        at = self.of.primitive(torch.ones_like(u) * threshold, threshold)
        return torch.where(u > threshold, above * (rise - at) + below * at, below * rise)

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        g = self.of.derivative(u, threshold)
        if self.target == "all":
            return self._mean(True) * g
        return torch.where(self._may_be_masked(u, threshold), self._mean(True) * g, g)

    def backward_factor(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        g = self.of.backward_factor(u, threshold)
        if self.p == 0:
            return g
        # In 32 bits whatever u is: bfloat16 knows 256 numbers below 1.
        drawn = torch.rand_like(u, dtype=torch.float32) < self.p
        kept = g / (1 - self.p) if self.rescale else g
        if self.target == "all":
            return kept.masked_fill(drawn, 0)
        return torch.where(self._may_be_masked(u, threshold), kept.masked_fill(drawn, 0), g)

    def sharper(self, factor: float) -> Masked:
        return replace(self, of=self.of.sharper(factor))

    def _mean(self, masked: bool) -> float:
        """The mean share of the derivative that the backward pass sees."""
        return 1.0 if self.rescale or not masked else 1 - self.p

    def _may_be_masked(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return u <= threshold if self.target == "silent" else u > threshold
