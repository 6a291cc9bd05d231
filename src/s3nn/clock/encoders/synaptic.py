"""The image as the current of a synapse that it charges."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.clock.encoders.base import Encoder
from s3nn.errors import UsageError

__all__ = ["Synaptic"]


class Synaptic(Encoder):
    """a[t] = a[t-1] + (x - a[t-1]) / tau, a[-1] = 0: the image, filtered as spikes would be.

    This is how the image enters a network whose layers exchange synaptic currents, such as those
    of the neuron ``timing``; after t + 1 steps a share 1 - (1 - 1/tau)^(t+1) of it is there.
    Source: Zhang & Li, "Temporal spike sequence learning via backpropagation", NeurIPS 2020, and
    the authors' code, with tau 3.

    >>> Synaptic(steps=3, tau=2.0)(torch.ones(1, 1, 1, 1)).flatten().tolist()
    [0.5, 0.75, 0.875]
    """

    def __init__(
        self,
        steps: int,
        tau: float = 3.0,
        mean: tuple[float, ...] = (0.0,),
        std: tuple[float, ...] = (1.0,),
    ) -> None:
        super().__init__(steps, mean, std)
        if not tau >= 1:
            raise UsageError(f"synaptic needs tau >= 1 step, got {tau}")
        self.tau = tau

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x * (1 - (1 - 1 / self.tau) ** (t + 1)) for t in range(self.steps)])

    def extra_repr(self) -> str:
        return f"steps={self.steps}, tau={self.tau}"
