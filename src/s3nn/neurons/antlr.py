"""A neuron that learns from its spikes and from their times, each with a gradient of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from s3nn.errors import UsageError, unknown_name
from s3nn.graph.ir import Edge
from s3nn.neurons.base import PairedNeuron

__all__ = ["Antlr"]

Rule = Literal["activation", "timing", "both"]
Answer = Literal["times", "spikes"]

# Constants of the authors' code: the surrogate's steepness, and the least slope of the potential.
STEEPNESS = 3.0
LEAST_SLOPE = 0.01


@dataclass(frozen=True)
class _Constants:
    keep_i: float
    keep_v: float
    gain: float
    rule: Rule
    answer: Answer


def _integrate(x: Tensor, bias: Tensor, c: _Constants) -> tuple[Tensor, Tensor, Tensor]:
    """V, dV/dt and s of every step, shape (T, N, C, ...)."""
    current = v = s = torch.zeros_like(x[0])
    potentials, slopes, spikes = [], [], []
    for x_t in x.unbind(0):
        current = x_t + c.keep_i * current * (1 - s)
        left = v * (1 - s)
        v = c.gain * (current + bias) + c.keep_v * left
        slopes.append((v - left).clamp(min=LEAST_SLOPE))
        s = (v > 1).to(x.dtype)
        potentials.append(v)
        spikes.append(s)
    return torch.stack(potentials), torch.stack(slopes), torch.stack(spikes)


class _AntlrFunction(torch.autograd.Function):
    """x, timing (T, N, C, ...) -> spikes and zeros that stand for their times.

    ``timing`` is zeros: only its gradient matters.  ``last`` neurons give one output with one
    gradient, and ``answer`` says of what.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, timing: Tensor, bias: Tensor, constants: _Constants, last: bool
    ) -> tuple[Tensor, Tensor]:
        v, slope, s = _integrate(x, bias, constants)
        ctx.save_for_backward(v, slope, s, bias)
        ctx.constants, ctx.last = constants, last
        return s, torch.zeros_like(s)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        of_spikes, of_times = grads
        v, slope, s, bias = ctx.saved_tensors
        c: _Constants = ctx.constants
        if ctx.last and c.answer == "times":
            of_times, of_spikes = of_spikes, of_spikes * (s.sum(0) == 0)
        local = torch.zeros_like(v)
        if c.rule != "timing":
            local += torch.exp(-STEEPNESS * (v - 1).abs()) * of_spikes
        if c.rule != "activation":
            local -= s * of_times / slope
        zero = torch.zeros_like(v[0])
        whole = grad_i = e1 = e2 = local_next = zero
        grad_x, grad_timing, grad_bias = torch.empty_like(v), torch.empty_like(v), zero
        for t in range(len(v) - 1, -1, -1):
            silent = 1 - s[t]
            whole = local[t] + c.keep_v * silent * whole
            grad_i = c.gain * whole + c.keep_i * silent * grad_i
            e1 = silent * (local_next / 2 + c.keep_v * e1) - c.keep_v * local[t] / 2
            e2 = c.keep_i * silent * e2 - c.gain * c.keep_i * local[t] / 2 + c.gain * e1
            grad_x[t], grad_timing[t] = grad_i, e2
            grad_bias = grad_bias + whole
            local_next = local[t]
        return grad_x, grad_timing, c.gain * grad_bias.sum_to_size(bias.shape), None, None


class Antlr(PairedNeuron):
    """Leaky integrate-and-fire with a synaptic current; spikes and their times have gradients.

    Forward, with x the weighted sum of the spikes below and b a learned bias a channel (primes: the
    step before)::

        I = x + a_i I' (1 - s')     V = g (I + b) + a_v V' (1 - s')     s = 1[V > 1]
        D = max(V - V' (1 - s'), 0.01)                  the slope at which a spike crosses 1

    a_i = 1 - 1/tau_s, a_v = 1 - 1/tau_m, and g is such that a single spike raises V by at most 1:
    g = 1 / max_t sum_{k <= t} a_i^k a_v^(t-k).

    Backward, from the last step to the first, with dS and dT the gradients of a spike and of its
    time (plus: the step after)::

        dV = e^(-3 |V - 1|) dS - s dT / D               (activation: the first term; timing: the
        dW = dV + a_v (1 - s) dW+                        second; both: their sum)
        dI = g dW + a_i (1 - s) dI+                     -> dL/dx, and by W^T dS of the layer below
        E1 = (1 - s)(dV+ / 2 + a_v E1+) - a_v dV / 2
        E2 = a_i (1 - s) E2+ - g a_i dV / 2 + g E1      -> by W^T dT of the layer below

    Two gradients pass between layers, which is why these neurons come in pairs of layers with
    nothing but weights between them (see ``PairedNeuron``), and behind the outputs too.
    Source: Kim, Kim, Kim, "Unifying activation- and timing-based learning rules for spiking neural
    networks", NeurIPS 2020, and the authors' code; its comparison is V >= 1.

    Parameters
    ----------
    tau_s, tau_m: time constants in steps (a = 0.99 there: 100).
    rule: activation, timing or both.  With timing alone a silent neuron has no gradient; the
        authors' code then raises its weights by a small constant, which is not done here.
    answer: what the gradient is of that the last layer gets.  times: at a spike it is its time's,
        and of a neuron that stays silent it is its spikes' (the loss ``latency``); spikes: it is
        that of spikes (any other loss).
    """

    emits = Edge.SPIKE
    states = 2

    def __init__(
        self,
        tau_s: float = 100.0,
        tau_m: float = 100.0,
        rule: Rule = "both",
        answer: Answer = "times",
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if not (1 <= tau_s < torch.inf and 1 <= tau_m < torch.inf):
            raise UsageError(f"antlr needs 1 <= tau_s, tau_m < inf steps, got {tau_s}, {tau_m}")
        if rule not in get_args(Rule):
            raise unknown_name("rule of antlr", str(rule), get_args(Rule))
        if answer not in get_args(Answer):
            raise unknown_name("answer of antlr", str(answer), get_args(Answer))
        keep_i, keep_v = 1 - 1 / tau_s, 1 - 1 / tau_m
        self.takes_times = answer == "times"
        self.constants = _Constants(keep_i, keep_v, 1 / _highest(keep_i, keep_v), rule, answer)
        self.bias = nn.Parameter(torch.zeros(channels or 1))

    def _shaped(self, x: Tensor) -> Tensor:
        """The bias, to broadcast over a step (N, C, ...)."""
        return self.bias.to(x.dtype).view(-1, *[1] * (x.ndim - 3))

    def run(self, current: Tensor) -> Tensor:
        return self.paired(current, None)[0]

    def paired(
        self, current: Tensor, timing: Tensor | None, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        timing = torch.zeros_like(current) if timing is None else timing
        bias = self._shaped(current)
        spikes, times = _AntlrFunction.apply(current, timing, bias, self.constants, last)
        return spikes, times

    def potentials(self, current: Tensor) -> Tensor:
        return _integrate(current, self._shaped(current), self.constants)[0]

    def extra_repr(self) -> str:
        return f"rule={self.constants.rule}"


def _highest(keep_i: float, keep_v: float) -> float:
    """The highest value of the potential after one spike, at a gain of one."""
    v, current, highest = 0.0, 1.0, 0.0
    while True:
        v = keep_v * v + current
        if v <= highest:
            return highest
        highest, current = v, current * keep_i
