"""A penalty on neurons that fire often in one trial."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock import Scan
from s3nn.energy.watching import Firing, total
from s3nn.penalties.base import Penalty

__all__ = ["Bursts"]


class Bursts(Penalty):
    """Omega = sum over samples and layers of mean over neurons of (sum over steps of s)^2.

    A neuron that fires once costs 1, one that fires three times 9.
    Source: Cramer et al., PNAS 119 (2022), and the authors' code, with a strength of 5e-4.
    """

    of_trials = True

    def of_firing(self, firing: Firing) -> Tensor:
        steps = firing.layer.steps if isinstance(firing.layer, Scan) else 1
        times = firing.spikes.unflatten(0, (steps, -1)).sum(0).square()
        return total(times) / times[0].numel()
