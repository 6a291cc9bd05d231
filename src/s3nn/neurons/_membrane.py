"""What neurons with a membrane have in common: how it leaks and how it is reset."""

from __future__ import annotations

from math import inf, log
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from s3nn.errors import UsageError, unknown_name

Reset = Literal["hard", "soft", "none"]


class Leak(nn.Module):
    """What a time constant of tau steps leaves from one step to the next: 1 - 1/tau.

    A learned one is held as w with 1/tau = sig(w), so that it stays within 0 and 1.  Source: Fang
    et al., "Incorporating learnable membrane time constant to enhance learning of spiking neural
    networks", ICCV 2021.

    >>> Leak(2.0, learn=False, channels=None)(torch.zeros(2, 3)).item()
    0.5
    """

    def __init__(self, tau: float, *, learn: bool, channels: int | None, name: str = "tau") -> None:
        super().__init__()
        if not tau >= 1:
            raise UsageError(f"a membrane needs {name} >= 1 step, got {tau}")
        if learn and not 1 < tau < inf:
            raise UsageError(f"a leak is learned from 1 < {name} < inf steps, got {tau}")
        shape = () if channels is None else (channels,)
        start = torch.full(shape, -log(tau - 1)) if learn else torch.tensor(1 - 1 / tau)
        self.rate = nn.Parameter(start) if learn else None
        self.register_buffer("fixed", None if learn else start, persistent=False)

    def forward(self, v: Tensor) -> Tensor:
        """1 - 1/tau, in a shape that broadcasts to the potential v (N, C, ...)."""
        if self.rate is None:
            fixed: Tensor = self.get_buffer("fixed")
            return fixed.to(v.dtype)
        kept = torch.sigmoid(-self.rate).to(v.dtype)
        return kept.view(-1, *[1] * (v.ndim - 2)) if kept.ndim else kept


def leak_of(tau: float, learn: bool, per_channel: bool, channels: int | None) -> Leak:
    """The leak that a neuron's options describe; one that is not learned is one a layer."""
    return Leak(tau, learn=learn, channels=channels if learn and per_channel else None)


def check_reset(reset: str) -> None:
    if reset not in get_args(Reset):
        raise unknown_name("reset", str(reset), get_args(Reset))


def after(u: Tensor, s: Tensor, theta: Tensor, reset: Reset) -> Tensor:
    """The potential that is left of u where s fired: 0, u - theta, or u; s is a constant to it."""
    if reset == "hard":  # what is kept for backward is one byte a neuron
        return u * (s.detach() == 0)
    return u - theta.to(u.dtype) * s.detach() if reset == "soft" else u
