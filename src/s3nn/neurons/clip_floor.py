"""A ReLU with a ceiling and a few levels, the rates that spikes can have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron, threshold_of

__all__ = ["ClipFloor"]


class ClipFloor(Neuron):
    """a = theta/L clip(floor(L u / theta + shift), 0, L): no spikes, but what their rates can be.

    With ``shift`` = kappa this is theta times the firing rate of an integrate-and-fire neuron of
    that pre-charge over T = L steps of the constant current u.  A network that was trained with it
    loses little when it is converted: its layers know of their ceiling theta and of their steps.

    Backward the floor is straight-through, r = u / theta, and q = a / theta inside of [0, 1]::

        da/du     = 1 where floor(L r + shift) is within 0 and L, else 0
        da/dtheta = q - r there, 1 above, 0 below

    Source: Bu et al., "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking
    neural networks", ICLR 2022, and the authors' code, which starts from theta = 8 and L = 16.

    Parameters
    ----------
    levels: L.
    shift: 1/2 rounds, 0 rounds down.
    threshold, learn, per_channel: theta, its start where it is learned; one a layer or a channel.

    >>> neuron = ClipFloor(levels=2, threshold=1.0)
    >>> neuron(torch.tensor([[-1.0, 0.2, 0.3, 0.8, 5.0]])).tolist()
    [[0.0, 0.0, 0.5, 1.0, 1.0]]
    """

    emits = Edge.ANALOG

    def __init__(
        self,
        levels: int = 8,
        threshold: float = 4.0,
        shift: float = 0.5,
        learn: bool = True,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if levels < 1:
            raise UsageError(f"clip_floor needs 1 level or more above 0, got levels={levels}")
        if not 0 <= shift < 1:
            raise UsageError(f"clip_floor needs a shift from 0 to below 1, got {shift}")
        self.levels, self.shift = levels, shift
        self.threshold = threshold_of(threshold, learn, per_channel, channels)

    def forward(self, current: Tensor) -> Tensor:
        theta = self.threshold(current).to(current.dtype)
        steps = _Floor.apply(current / theta * self.levels + self.shift)
        return theta * (steps / self.levels).clamp(0, 1)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, shift={self.shift}"


class _Floor(torch.autograd.Function):
    """floor(x), its backward pass that of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.floor()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]
