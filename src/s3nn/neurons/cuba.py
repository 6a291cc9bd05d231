"""The leaky integrate-and-fire neuron with a synaptic current."""

from __future__ import annotations

from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons._membrane import Reset, after, check_reset, leak_of
from s3nn.neurons.base import SteppedNeuron, threshold_of
from s3nn.surrogates.base import Surrogate, spike
from s3nn.surrogates.superspike import Superspike

__all__ = ["Cuba"]


class Cuba(SteppedNeuron):
    """Current-based leaky integrate-and-fire: input decays in a current before the membrane.

    With x what arrives, tau_s and tau_m the time constants of synapse and membrane in steps::

        I[t] = (1 - 1/tau_s) I[t-1] + x[t]
        u[t] = (1 - 1/tau_m) v[t-1] + I[t]      s[t] = 1[u[t] > theta]

    and v[t] after a hard, soft or no reset as in ``lif``; the reset leaves I alone.  At rest I and
    v are 0.  An exponential decay over a step of length dt, e^(-dt/T), is tau = 1/(1 - e^(-dt/T)).
    Source: Cramer et al., "Surrogate gradients for analog neuromorphic computing", PNAS 119 (2022).

    >>> import torch
    >>> Cuba(tau_s=2.0, tau_m=2.0).run(torch.eye(3)[0].view(3, 1, 1) * 0.9).flatten().tolist()
    [0.0, 0.0, 0.0]
    >>> Cuba(tau_s=2.0, tau_m=2.0).potentials(torch.eye(3)[0].view(3, 1, 1)).flatten().tolist()
    [1.0, 1.0, 0.75]
    """

    emits = Edge.SPIKE
    states = 2

    def __init__(
        self,
        tau_s: float = 2.0,
        tau_m: float = 2.0,
        threshold: float = 1.0,
        reset: Reset = "hard",
        surrogate: Surrogate | None = None,
        learn: bool = False,
        learn_leak: bool = False,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        check_reset(reset)
        self.tau_s, self.tau_m, self.reset = tau_s, tau_m, reset
        self.synaptic = leak_of(tau_s, learn_leak, per_channel, channels)
        self.leak = leak_of(tau_m, learn_leak, per_channel, channels)
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = Superspike() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
        return self._charge(current, state)[1]

    def _charge(
        self, current: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        if state is None:
            return current, current
        synaptic, v = state
        synaptic = self.synaptic(synaptic) * synaptic + current
        return synaptic, self.leak(v) * v + synaptic

    def step(
        self, current: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        synaptic, u = self._charge(current, state)
        theta = self.threshold(u)
        s = spike(u, theta, self.surrogate)
        return s, (synaptic, after(u, s, theta, self.reset))

    def extra_repr(self) -> str:
        return f"tau_s={self.tau_s}, tau_m={self.tau_m}, reset={self.reset}"
