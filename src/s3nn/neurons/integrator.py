"""The leaky integrator: a neuron that does not fire."""

from __future__ import annotations

from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons._membrane import leak_of
from s3nn.neurons.base import SteppedNeuron

__all__ = ["Integrator"]


class Integrator(SteppedNeuron):
    """``cuba`` without spikes: it emits its membrane potential, which nothing resets.

    With x what arrives, tau_s and tau_m in steps::

        I[t] = (1 - 1/tau_s) I[t-1] + x[t]      v[t] = (1 - 1/tau_m) v[t-1] + I[t]

    Behind the outputs it is the read-out of Cramer et al., PNAS 119 (2022), who take max_t v[t].

    >>> import torch
    >>> Integrator(tau_s=2.0, tau_m=2.0).run(torch.eye(3)[0].view(3, 1, 1)).flatten().tolist()
    [1.0, 1.0, 0.75]
    """

    emits = Edge.ANALOG
    states = 2

    def __init__(
        self,
        tau_s: float = 2.0,
        tau_m: float = 2.0,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        self.tau_s, self.tau_m = tau_s, tau_m
        self.synaptic = leak_of(tau_s, False, False, channels)
        self.leak = leak_of(tau_m, False, False, channels)

    def charge(self, current: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
        return self.step(current, state)[0]

    def step(
        self, current: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if state is None:
            return current, (current, current)
        synaptic = self.synaptic(current) * state[0] + current
        v = self.leak(current) * state[1] + synaptic
        return v, (synaptic, v)

    def extra_repr(self) -> str:
        return f"tau_s={self.tau_s}, tau_m={self.tau_m}"
