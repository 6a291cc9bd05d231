"""A leaky output neuron that does not fire."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from s3nn.clock.readouts.base import Readout
from s3nn.errors import UsageError, unknown_name

__all__ = ["Membrane"]

Take = Literal["last", "max", "mean"]


class Membrane(Readout):
    """V[t] = (1 - 1/tau) V[t-1] + y[t], V[-1] = 0: its last, largest or mean value over the steps.

    ``tau`` is the time constant in steps; ``tau=inf`` does not leak, and its last value is the sum.
    Source: the non-spiking leaky integrators of Cramer et al., PNAS 119 (2022), who take the
    maximum.

    >>> Membrane(steps=2, tau=2)(torch.tensor([[[1.0]], [[1.0]]])).item()
    1.5
    """

    def __init__(self, steps: int, tau: float = 2.0, take: Take = "last") -> None:
        super().__init__(steps)
        if not tau >= 1:
            raise UsageError(f"membrane needs tau >= 1 step, got {tau}")
        if take not in get_args(Take):
            raise unknown_name("value of membrane's option take", str(take), get_args(Take))
        self.tau, self.take = tau, take

    def forward(self, outputs: Tensor) -> Tensor:
        v, trace = torch.zeros_like(outputs[0]), []
        for output in outputs.unbind(0):
            v = (1 - 1 / self.tau) * v + output
            trace.append(v)
        if self.take == "last":
            return v
        potentials = torch.stack(trace)
        return potentials.amax(0) if self.take == "max" else potentials.mean(0)

    def extra_repr(self) -> str:
        return f"steps={self.steps}, tau={self.tau}, take={self.take}"
