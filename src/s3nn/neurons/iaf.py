"""The integrate-and-fire neuron, which does not leak."""

from __future__ import annotations

from torch import Tensor

from s3nn.graph.ir import Edge
from s3nn.neurons._membrane import Reset, after, check_reset
from s3nn.neurons.base import SteppedNeuron, threshold_of
from s3nn.surrogates.arctan import Arctan
from s3nn.surrogates.base import Surrogate, spike

__all__ = ["Iaf"]


class Iaf(SteppedNeuron):
    """Integrate-and-fire (IF): u[t] = v[t-1] + x[t], s[t] = 1[u[t] > theta].

    After a spike v[t] = u[t] - theta (soft reset, the default), 0 (hard) or u[t] (none); at rest
    v = 0.  With a soft reset no charge is lost: theta times the spikes of T steps is within theta
    of the sum of the currents, as long as one spike a step is enough.
    Source: Rueckauer et al., Frontiers in Neuroscience 11 (2017) 682 (reset by subtraction).

    >>> import torch
    >>> Iaf().run(torch.full((4, 1, 1), 0.6)).flatten().tolist()
    [0.0, 1.0, 0.0, 1.0]
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        threshold: float = 1.0,
        reset: Reset = "soft",
        surrogate: Surrogate | None = None,
        learn: bool = False,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        check_reset(reset)
        self.reset = reset
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = Arctan() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: Tensor | None) -> Tensor:
        return current if state is None else state + current

    def step(self, current: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        u = self.charge(current, state)
        theta = self.threshold(u)
        s = spike(u, theta, self.surrogate)
        return s, after(u, s, theta, self.reset)

    def extra_repr(self) -> str:
        return f"reset={self.reset}, surrogate={self.surrogate}"
