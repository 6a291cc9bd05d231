"""The leaky integrate-and-fire neuron of multi-step networks."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from s3nn.errors import UsageError, unknown_name
from s3nn.graph.ir import Edge
from s3nn.neurons.base import SteppedNeuron, threshold_of
from s3nn.surrogates.arctan import Arctan
from s3nn.surrogates.base import Surrogate, spike

__all__ = ["Lif"]

Reset = Literal["hard", "soft", "none"]


class Lif(SteppedNeuron):
    """Leaky integrate-and-fire, over several steps.

    With x the current and tau the time constant in steps::

        u[t] = (1 - 1/tau) v[t-1] + x[t]        s[t] = 1[u[t] > theta]
        v[t] = u[t] (1 - s[t])        hard reset
        v[t] = u[t] - theta s[t]      soft reset
        v[t] = u[t]                   no reset

    At rest v = 0, so that one step of it is the single-step neuron.  ``tau=inf`` does not leak
    (integrate-and-fire).  The spike in the reset is a constant to the backward pass.
    Source: Gerstner & Kistler, "Spiking Neuron Models" (2002), in discrete time.
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        tau: float = 2.0,
        threshold: float = 1.0,
        reset: Reset = "hard",
        surrogate: Surrogate | None = None,
        learn: bool = False,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if not tau >= 1:
            raise UsageError(f"lif needs tau >= 1 step, got {tau}")
        if reset not in get_args(Reset):
            raise unknown_name("reset", str(reset), get_args(Reset))
        self.tau, self.reset = tau, reset
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = Arctan() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: Tensor | None) -> Tensor:
        return current if state is None else (1 - 1 / self.tau) * state + current

    def step(self, current: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        u = self.charge(current, state)
        theta = self.threshold(u)
        s = spike(u, theta, self.surrogate)
        if self.reset == "hard":
            return s, u * (1 - s.detach())
        return s, (u - theta * s.detach()) if self.reset == "soft" else u

    def extra_repr(self) -> str:
        return f"tau={self.tau}, reset={self.reset}, surrogate={self.surrogate}"
