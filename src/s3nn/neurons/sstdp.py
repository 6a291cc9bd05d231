"""A neuron that fires once, and whose weights learn by spike-timing-dependent plasticity."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import TimedNeuron, threshold_of
from s3nn.surrogates.arctan import Arctan
from s3nn.surrogates.base import Surrogate, spike

__all__ = ["Sstdp"]

State = tuple[Tensor, Tensor]


class Sstdp(TimedNeuron):
    """Integrate-and-fire without a leak, one spike at most; supervised STDP (SSTDP).

    Forward, with t_i the times of the spikes in front (steps 0 .. T-1; inf: none)::

        V_j[t] = sum_{i: t_i <= t} w_ji        t_j = the first t with V_j[t] > theta; else inf

    Backward, e_j = dE/dt_j, divided by its norm over the neurons of a sample and layer::

        dE/dw_ji = mean over the batch of -e_j K(t_i, t_j)
        dE/dt_i  = sum_j e_j w_ji C(t_i, t_j)

    Without ``tau``: K = a and C = 1 where the spike in front was not later (t_i <= t_j, t_i < inf:
    a tie counts as a cause, since the step's whole current is in V before it is compared), else
    K = -b and C = 0.  Of a silent neuron every spike in front is a cause.  With ``tau``, and inf
    standing for T::

        K = a e^(-(t_j - t_i)/tau),  C = 1   for t_i < t_j;   0 at a tie
        K = -b e^(-(t_i - t_j)/tau), C = 0   for t_i > t_j

    A neuron that is to fire earlier (e > 0) so strengthens what made it fire, and one that is to
    fire later weakens it.  With ``balance``, K is less its mean over the neuron's inputs (silent
    ones too), so that what some weights gain others lose and their sum stays: the neuron learns
    what to fire for, not how easily it fires.  This is ours; without it hidden layers of many
    inputs fall silent together, or fire at once.
    Source: Liu, Zhao, Chen, Wang, Yang, Jiang, "SSTDP: Supervised Spike Timing Dependent Plasticity
    for Efficient Spiking Neural Network Training", Front. Neurosci. 15 (2021) 756876, and the
    authors' code (theta 100, a 1, b 0, no tau; start 39.2 in front and 192 behind).

    A network of these is run on times (``s3nn.clock.timed``).  The steps of this class, run on a
    raster of spikes, are the same neuron the long way, and their gradient is the surrogate's.

    Parameters
    ----------
    threshold: theta.
    a, b, tau: of the kernel; tau in steps, none for a constant one.
    start: weights start uniform in 0 .. start theta / fan-in; start/2 is how many thresholds all
        inputs together weigh at first.
    balance: take the mean over the inputs from K.
    redraw: the share of an epoch's samples below which a hidden neuron that fires for them is dead
        and gets new weights; 0: none is.

    >>> Sstdp(threshold=2).run(torch.tensor([1.0, 1.5, 9.0]).view(3, 1, 1)).flatten().tolist()
    [0.0, 1.0, 0.0]
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        threshold: float = 1.0,
        a: float = 1.0,
        b: float = 0.0,
        tau: float | None = None,
        start: float = 40.0,
        redraw: float = 0.001,
        balance: bool = False,
        surrogate: Surrogate | None = None,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if not (a >= 0 and b >= 0 and a + b > 0):
            raise UsageError(f"sstdp needs a, b >= 0 and one of them > 0, got {a}, {b}")
        if tau is not None and not tau > 0:
            raise UsageError(f"sstdp needs tau > 0 steps, or none, got {tau}")
        if not start > 0:
            raise UsageError(f"sstdp needs start > 0, as excitation has to come from it: {start}")
        if not 0 <= redraw < 1:
            raise UsageError(f"sstdp needs 0 <= redraw < 1, a share of the samples, got {redraw}")
        self.threshold = threshold_of(threshold, False, False, None)
        self.a, self.b, self.tau = a, b, tau
        self.start, self.redraw, self.balance = start, redraw, balance
        self.surrogate = Arctan() if surrogate is None else surrogate

    def charge(self, current: Tensor, state: State | None) -> Tensor:
        return current if state is None else state[0] + current

    def step(self, current: Tensor, state: State | None) -> tuple[Tensor, State]:
        v = self.charge(current, state)
        fired = torch.zeros_like(v) if state is None else state[1]
        s = spike(v, self.threshold(v), self.surrogate) * (1 - fired)
        return s, (v, fired + s.detach())

    def pairing(self, before: Tensor, after: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        if self.tau is not None:
            gap = before.clamp(max=steps) - after.clamp(max=steps)
            decay = torch.exp(-gap.abs() / self.tau)
            earlier = (gap < 0).to(gap.dtype)
            return decay * (self.a * earlier - self.b * (gap > 0)), earlier
        cause = ((before <= after) & before.isfinite()).to(before.dtype)
        if self.b == 0 and self.a == 1:
            return cause, cause
        return (self.a + self.b) * cause - self.b, cause

    def extra_repr(self) -> str:
        return f"a={self.a}, b={self.b}, tau={self.tau}, balance={self.balance}"
