"""The leaky integrate-and-fire neuron of multi-step networks."""

from __future__ import annotations

from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons._membrane import Reset, after, check_reset, leak_of
from s3nn.neurons.base import SteppedNeuron, threshold_of
from s3nn.surrogates.arctan import Arctan
from s3nn.surrogates.base import Surrogate, spike

__all__ = ["Lif"]


class Lif(SteppedNeuron):
    """Leaky integrate-and-fire, over several steps.

    With x the current and tau the time constant in steps::

        u[t] = (1 - 1/tau) v[t-1] + x[t]        s[t] = 1[u[t] > theta]
        v[t] = u[t] (1 - s[t])        hard reset
        v[t] = u[t] - theta s[t]      soft reset
        v[t] = u[t]                   no reset

    At rest v = 0, so that one step of it is the single-step neuron.  The spike in the reset is a
    constant to the backward pass.
    Source: Gerstner & Kistler, "Spiking Neuron Models" (2002), in discrete time.

    Parameters
    ----------
    tau: >= 1, its start where it is learned.
    learn, learn_leak: train the threshold, train the leak (1/tau = sig(w), Fang et al., ICCV 2021).
    per_channel: one threshold, and one learned leak, a channel instead of one a layer.

    >>> import torch
    >>> Lif(tau=2.0).run(torch.tensor([0.8, 0.8, 0.8]).view(3, 1, 1)).flatten().tolist()
    [0.0, 1.0, 0.0]
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        tau: float = 2.0,
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
        self.tau, self.reset = tau, reset
        self.leak = leak_of(tau, learn_leak, per_channel, channels)
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = Arctan() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: Tensor | None) -> Tensor:
        return current if state is None else self.leak(state) * state + current

    def step(self, current: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        u = self.charge(current, state)
        theta = self.threshold(u)
        s = spike(u, theta, self.surrogate)
        return s, after(u, s, theta, self.reset)

    def extra_repr(self) -> str:
        return f"tau={self.tau}, reset={self.reset}, surrogate={self.surrogate}"
