"""The Hoyer-square regulariser of spiking networks."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.clock.layers import neuron_of
from s3nn.energy.watching import Firing
from s3nn.errors import UnsupportedError
from s3nn.neurons.base import Threshold
from s3nn.penalties.base import Penalty

__all__ = ["Hoyer"]

TINY = 1e-12  # in place of 0 / 0, where no potential is above 0


class Hoyer(Penalty):
    """Hoyer-square of clipped potentials: Omega = sum over layers of (sum |z|)^2 / sum z^2.

    z = min(max(u / theta, 0), 1) is a neuron's membrane potential, clipped at 0 and at its
    threshold; sums are over the neurons of a layer at one step and in one sample.  Of spikes
    themselves the ratio is their number, with a gradient for silent neurons only, which is why the
    source takes potentials.
    Source: Datta, Liu & Beerel, "Hoyer regularizer is all you need for ultra low-latency spiking
    neural networks", arXiv 2212.10170; their threshold, trained with it, is left out.
    """

    of_potentials = True

    def of_firing(self, firing: Firing) -> Tensor:
        theta = getattr(neuron_of(firing.layer), "threshold", None)
        if not isinstance(theta, Threshold):
            raise UnsupportedError(
                "the hoyer penalty of neurons without a threshold",
                firing.site.name,
                "use the synaptic or the l1 penalty",
            )
        u = firing.layer.potential(firing.current).float()
        z = (u / theta(u)).clamp(0, 1).flatten(1)
        squares = z.square().sum(1).clamp(min=TINY)
        wide = torch.float32 if z.device.type == "mps" else torch.float64
        return (z.sum(1).square() / squares).to(wide).sum()
