"""Leaky integrate-and-fire whose stored membrane potential has a few levels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log2
from typing import Any

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import SteppedNeuron, threshold_of
from s3nn.surrogates.base import Surrogate, spike
from s3nn.surrogates.triangle import Triangle

__all__ = ["QuantisedLif"]

STEEPNESS = 2.0  # of the sigmoids in the stacked surrogate


class QuantisedLif(SteppedNeuron):
    """Leaky integrate-and-fire whose potential is kept from step to step as one of a few levels.

    With x the current, tau the time constant in steps and l the ``levels`` in thresholds::

        u[t] = (1 - 1/tau) v[t-1] + x[t]        s[t] = 1[u[t] > theta]
        v[t] = theta q(u[t] (1 - s[t]) / theta)         q(r) = the level nearest to r

    A tie goes to the lower level; what lies outside is clamped to the outermost.  Backward, q is a
    smooth stair, a sigmoid a step (the stacked surrogate), with m_i halfway between two levels::

        q'(r) = sum over i of (l[i+1] - l[i]) 2 sig(z) (1 - sig(z)),   z = 2 (r - m_i)

    which at levels one apart is the authors' sum.  As in their code the gradient goes through the
    reset too.  Their ternary potential, log2(3) = 1.58 bits, is the default; their code starts from
    ``levels=(-3, -2, -1, 0, 1)``.  In one step nothing is stored, and this is the single-step
    neuron.
    Source: Hasssan et al., "SpQuant-SNN", Frontiers in Neuroscience 18:1440000 (2024).

    >>> neuron = QuantisedLif()
    >>> neuron.step(torch.tensor([[-0.7, -0.5, 0.5, 0.7, 1.1]]), None)[1].tolist()
    [[-1.0, -1.0, 0.0, 1.0, 0.0]]
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        levels: Sequence[float] = (-1, 0, 1),
        tau: float = 2.0,
        threshold: float = 1.0,
        surrogate: Surrogate | None = None,
        learn: bool = False,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if not tau >= 1:
            raise UsageError(f"quantised_lif needs tau >= 1 step, got {tau}")
        self.levels = _checked(levels)
        self.potential_bits = log2(len(self.levels))
        self.tau = tau
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = Triangle() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: Tensor | None) -> Tensor:
        return current if state is None else (1 - 1 / self.tau) * state + current

    def step(self, current: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        u = self.charge(current, state)
        theta = self.threshold(u)
        s, theta = spike(u, theta, self.surrogate), theta.to(u.dtype)
        return s, theta * _Nearest.apply(u * (1 - s) / theta, self.levels)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, tau={self.tau}, surrogate={self.surrogate}"


def _checked(levels: Sequence[float]) -> tuple[float, ...]:
    try:
        found = tuple(map(float, levels))
    except (TypeError, ValueError):
        raise UsageError(f"quantised_lif takes levels as numbers, got {levels!r}") from None
    rising = all(low < high for low, high in pairwise(found))
    if len(found) < 2 or not rising or 0 not in found or found[-1] > 1:
        raise UsageError(
            "the levels of quantised_lif rise, 0 (rest) is one of them and none is above the "
            f"threshold, which is 1: got {tuple(levels)}; write levels=(-1, 0, 1)"
        )
    return found


class _Nearest(torch.autograd.Function):
    """The nearest level, its backward pass the stacked surrogate."""

    @staticmethod
    def forward(ctx: Any, r: Tensor, levels: tuple[float, ...]) -> Tensor:
        ctx.save_for_backward(r)
        ctx.levels = levels
        found = torch.full_like(r, levels[0])
        for middle, level in zip(_middles(levels), levels[1:], strict=True):
            found = torch.where(r > middle, level, found)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (r,) = ctx.saved_tensors
        slope = torch.zeros_like(r)
        rises = (high - low for low, high in pairwise(ctx.levels))
        for middle, rise in zip(_middles(ctx.levels), rises, strict=True):
            sig = torch.sigmoid(STEEPNESS * (r - middle))
            slope = slope + rise * STEEPNESS * sig * (1 - sig)
        return grads[0] * slope, None


def _middles(levels: tuple[float, ...]) -> list[float]:
    return [(low + high) / 2 for low, high in pairwise(levels)]
