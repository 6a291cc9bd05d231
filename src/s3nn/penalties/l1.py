"""A plain sum of spikes."""

from __future__ import annotations

from torch import Tensor

from s3nn.energy.watching import Firing, total
from s3nn.penalties._power import PowerPenalty

__all__ = ["L1"]


class L1(PowerPenalty):
    """The plain sum of spikes, blind to where they go: Omega = sum over neurons of s^p / p."""

    def of_firing(self, firing: Firing) -> Tensor:
        return total(self.power(firing.spikes))
