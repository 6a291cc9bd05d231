"""Penalties on powers of spikes."""

from __future__ import annotations

from math import inf

from torch import Tensor

from s3nn.errors import UsageError
from s3nn.penalties.base import Penalty
from s3nn.registry import name_of


class PowerPenalty(Penalty):
    """A penalty of ``s^p / p``.

    Parameters
    ----------
    p: the power of s, 1 or more.  A spike is 0 or 1, so that p changes the gradient and not the
        value of ``s^p``: d(s^p / p)/ds = s^(p-1) is 1 for every neuron with p = 1, and reaches
        only those that fired with a larger one.
    """

    def __init__(self, p: float = 1.0) -> None:
        if not 1 <= p < inf:
            raise UsageError(f"{name_of(self)} needs a finite power p of 1 or more, got {p}")
        self.p = p

    def power(self, spikes: Tensor) -> Tensor:
        """s^p / p."""
        return spikes if self.p == 1 else spikes.pow(self.p) / self.p
