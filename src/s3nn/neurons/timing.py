"""The multi-step parent of the single-step neuron, with a backward pass of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import TemporalNeuron

__all__ = ["Timing"]

# Constants of the authors' code: the largest |d t_fire / du|, and the width of the sigmoid.
MAX_TIMING_SLOPE = 8.0
SIGMOID_WIDTH = 0.2


def _integrate(x: Tensor, tau_m: float, theta: float) -> tuple[Tensor, Tensor]:
    """u and delta of every step, shape (T, N, C, ...), with a hard reset in between."""
    v = torch.zeros_like(x[0])
    potentials, changes = [], []
    for x_t in x.unbind(0):
        delta = x_t - v / tau_m
        u = v + delta
        v = u * (u <= theta)
        potentials.append(u)
        changes.append(delta)
    return torch.stack(potentials), torch.stack(changes)


class _TimingFunction(torch.autograd.Function):
    """Forward and backward over all steps; x is (T, N, C, ...)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tau_m: float, tau_s: float, theta: float) -> Tensor:
        u, delta = _integrate(x, tau_m, theta)
        a, trace = torch.zeros_like(x[0]), []
        for u_t in u.unbind(0):
            a = a + ((u_t > theta).to(x.dtype) - a) / tau_s
            trace.append(a)
        out = torch.stack(trace)
        ctx.save_for_backward(u, delta, out)
        ctx.constants = (tau_m, tau_s, theta)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (g,) = grads
        u, delta, a = ctx.saved_tensors
        tau_m, tau_s, theta = ctx.constants
        s = (u > theta).to(g.dtype)
        keep, synaptic = 1 - 1 / tau_m, 1 - 1 / tau_s
        psc = torch.zeros_like(g[0])  # sum over k >= t of eps[k - t] g[k]
        carried = torch.zeros_like(g[0])  # Theta: what reaches step t from the steps after it
        grad = torch.empty_like(g)
        for t in range(len(g) - 1, -1, -1):
            psc = psc * synaptic + g[t] / tau_s
            slope = (-1 / delta[t]).clamp(-MAX_TIMING_SLOPE, 0) * s[t]
            timing = -slope * psc
            timing = timing - carried * u[t] * slope / tau_m + carried * keep * (1 - s[t])
            carried = timing * s[t] + carried * (1 - s[t]) * keep
            z = ((theta - u[t]) / SIGMOID_WIDTH).clamp(-8, 8)
            activation = psc * torch.sigmoid(z) * torch.sigmoid(-z) / SIGMOID_WIDTH
            grad[t] = torch.where(a[t] < 1 / (4 * tau_s), activation, timing)
        return grad, None, None, None


class Timing(TemporalNeuron):
    """TSSL-BP: leaky integrate-and-fire whose spike times carry the gradient.

    Forward::

        delta[t] = -v[t-1]/tau_m + x[t]     u[t] = v[t-1] + delta[t]     s[t] = 1[u[t] > theta]
        v[t] = u[t] (1 - s[t])              a[t] = a[t-1] + (s[t] - a[t-1]) / tau_s

    The output is the synaptic current a, which the next layer reads; it is analog.  Backward, with
    g = dL/da, eps[k] = (1 - 1/tau_s)^k / tau_s, E[t] = sum over k >= t of eps[k-t] g[k], and
    Theta = 0 at the last step, goes from the last step to the first::

        p = clamp(-1/delta[t], -8, 0) s[t]
        G = -p E[t] - Theta u[t] p / tau_m + Theta (1 - 1/tau_m)(1 - s[t])
        Theta <- G s[t] + Theta (1 - s[t])(1 - 1/tau_m)
        dL/dx[t] = E[t] f  where a[t] < 1/(4 tau_s), else G
        f = sig(z) sig(-z) / 0.2,  z = clamp((theta - u[t])/0.2, -8, 8)

    With one step, v[-1] = 0 and tau_s = 1 this is the single-step neuron with S3(alpha=5, beta=1).
    Source: Zhang & Li, "Temporal spike sequence learning via backpropagation for deep spiking
    neural networks", NeurIPS 2020, and the authors' code.
    """

    emits = Edge.ANALOG

    def __init__(
        self,
        tau_m: float = 5.0,
        tau_s: float = 3.0,
        threshold: float = 1.0,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if not threshold > 0:
            raise UsageError(f"a threshold must be > 0, got {threshold}")
        if not (tau_m >= 1 and tau_s >= 1):
            raise UsageError(f"timing needs tau_m, tau_s >= 1 step, got {tau_m}, {tau_s}")
        self.tau_m, self.tau_s, self.theta = tau_m, tau_s, threshold

    def run(self, current: Tensor) -> Tensor:
        out: Tensor = _TimingFunction.apply(current, self.tau_m, self.tau_s, self.theta)
        return out

    def potentials(self, current: Tensor) -> Tensor:
        return _integrate(current, self.tau_m, self.theta)[0]

    def extra_repr(self) -> str:
        return f"tau_m={self.tau_m}, tau_s={self.tau_s}, threshold={self.theta}"
