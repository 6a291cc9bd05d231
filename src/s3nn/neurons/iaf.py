"""The integrate-and-fire neuron, which does not leak."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from s3nn.errors import UsageError, unknown_name
from s3nn.graph.ir import Edge
from s3nn.neurons._membrane import Reset, after, check_reset
from s3nn.neurons.base import Pool, SteppedNeuron, threshold_of
from s3nn.surrogates.arctan import Arctan
from s3nn.surrogates.base import Surrogate, spike

__all__ = ["Iaf"]


class Iaf(SteppedNeuron):
    """Integrate-and-fire (IF): u[t] = v[t-1] + x[t], s[t] = 1[u[t] > theta].

    After a spike v[t] = u[t] - theta (soft reset, the default), 0 (hard) or u[t] (none); at rest
    v[0] = kappa theta, the pre-charge.  With a soft reset no charge is lost: theta times the spikes
    of T steps is within theta of the sum of the currents, as long as one spike a step is enough.

    A constant current x > 0 gives N spikes in T steps of a soft reset::

        N = min(T, ceil(T x / theta + kappa) - 1)

    which is floor(T x / theta + kappa) wherever that is not a tie: theta N / T is x rounded down to
    a multiple of theta / T without a pre-charge, and to the nearest one with kappa = 1/2.

    Parameters
    ----------
    precharge: kappa, from 0 to below 1.  It is kept beside the weights, where there is one.
    pool: ``charge`` lets max-pools in front compare what was gathered (see ``s3nn.clock.pools``).

    Sources: Rueckauer et al., Frontiers in Neuroscience 11 (2017) 682 (reset by subtraction);
    Hwang et al., Frontiers in Neuroscience 15 (2021) 629000 (the pre-charge).

    >>> import torch
    >>> Iaf().run(torch.full((4, 1, 1), 0.6)).flatten().tolist()
    [0.0, 1.0, 0.0, 1.0]
    >>> Iaf(precharge=0.5).run(torch.full((4, 1, 1), 0.6)).flatten().tolist()
    [1.0, 0.0, 1.0, 0.0]
    """

    emits = Edge.SPIKE
    precharge: Tensor | None

    def __init__(
        self,
        threshold: float = 1.0,
        reset: Reset = "soft",
        surrogate: Surrogate | None = None,
        precharge: float = 0.0,
        pool: Pool = "current",
        learn: bool = False,
        per_channel: bool = False,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        check_reset(reset)
        if not 0 <= precharge < 1:
            raise UsageError(
                f"a pre-charge is a share of the threshold, from 0 to below 1, got {precharge}"
            )
        if pool not in get_args(Pool):
            raise unknown_name("value of iaf's option pool", str(pool), get_args(Pool))
        self.reset: Reset = reset
        self.pool = pool
        self.register_buffer("precharge", torch.tensor(float(precharge)) if precharge else None)
        self.threshold = threshold_of(threshold, learn, per_channel, channels)
        self.surrogate = Arctan() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: Tensor | None) -> Tensor:
        if state is not None:
            return state + current
        if self.precharge is None:
            return current
        theta = self.threshold(current).to(current.dtype)
        return self.precharge.to(current.dtype) * theta + current

    def step(self, current: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        u = self.charge(current, state)
        theta = self.threshold(u)
        s = spike(u, theta, self.surrogate)
        return s, after(u, s, theta, self.reset)

    def extra_repr(self) -> str:
        kappa = 0.0 if self.precharge is None else self.precharge.item()
        return f"reset={self.reset}, precharge={kappa:g}, surrogate={self.surrogate}"
