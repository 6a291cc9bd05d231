"""Layers of neurons that fire once, run on the times of spikes."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, unfold

from s3nn.clock.crossing import first_crossing
from s3nn.clock.scan import Scan
from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import TimedNeuron
from s3nn.synapses import SynapticConv2d, SynapticLinear

Weights = SynapticConv2d | SynapticLinear
LEAST_NORM = 1e-10  # of the authors' code: what is divided where there is no error
# So many (neuron, row, input) are compared at once, which a core's cache holds.
COMPARED = 2**19


class _TimedFunction(torch.autograd.Function):
    """Times (N, P, K) of what each of P positions reads, weights (F, K) -> times (N, P, F)."""

    @staticmethod
    def forward(
        ctx: Any, before: Tensor, weight: Tensor, neuron: TimedNeuron, steps: int
    ) -> Tensor:
        theta = neuron.threshold.value().to(weight.dtype)
        after = first_crossing(before.flatten(0, 1), weight, theta).unflatten(0, before.shape[:2])
        ctx.save_for_backward(before, after, weight)
        ctx.neuron, ctx.steps = neuron, steps
        return after

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        (grad,) = grads
        before, after, weight = ctx.saved_tensors
        norm = torch.linalg.vector_norm(grad, dim=(1, 2), keepdim=True)
        error = grad / (norm + LEAST_NORM)
        of_times = torch.empty_like(before).flatten(0, 1) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight)
        rows = max(1, COMPARED // weight.numel())
        start = 0
        for t_i, t_j, e in zip(
            *(x.flatten(0, 1).split(rows) for x in (before, after, error)), strict=True
        ):
            e = e.t().unsqueeze(2)  # (F, rows, 1)
            kernel, cause = ctx.neuron.pairing(t_i, t_j.t().unsqueeze(2), ctx.steps)
            if len(t_i) == 1:
                of_weight.addcmul_(kernel[:, 0], e[:, 0])
            else:
                of_weight += (e.mT @ kernel).squeeze(1)
            if of_times is not None:
                down = (e * weight.unsqueeze(1) * cause).sum(0)
                of_times[start : start + len(t_i)] = down
            start += len(t_i)
        if ctx.neuron.balance:  # the mean of the sum is the sum of K's means
            of_weight -= of_weight.mean(1, keepdim=True)
        if of_times is not None:
            of_times = of_times.view_as(before)
        return of_times, -of_weight / len(before), None, None


class TimedLayer(Scan):
    """Weights and the neurons behind them: times (N, C, ...) of spikes to times (N, F, ...).

    Times are steps as floats, inf for a neuron that stays silent.  In training it counts for how
    many samples a neuron (of a convolution: a channel, anywhere) fires, for ``redraw``.
    """

    fired: Tensor
    seen: Tensor

    def __init__(self, weights: Weights, neuron: TimedNeuron, steps: int) -> None:
        super().__init__(neuron, steps)
        if weights.bias is not None:
            raise UnsupportedError(
                "a bias of neurons that learn from spike times",
                type(weights).__name__,
                "it comes at no time: build the layer with bias=False",
            )
        if isinstance(weights, SynapticConv2d) and weights.groups > 1:
            raise UnsupportedError(
                f"a convolution in {weights.groups} groups on spike times",
                type(weights).__name__,
                "use groups=1",
            )
        self.weights = weights
        self.register_buffer("fired", torch.zeros(len(weights.weight), dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.draw()

    @property
    def emits(self) -> Edge:
        return Edge.TIME

    @property
    def timed(self) -> TimedNeuron:
        neuron = self.neuron
        assert isinstance(neuron, TimedNeuron)
        return neuron

    def forward(self, times: Tensor) -> Tensor:
        before, weight = self._read(times)
        after: Tensor = _TimedFunction.apply(before, weight, self.timed, self.steps)
        if self.training and torch.is_grad_enabled():
            self.fired += after.detach().isfinite().any(1).sum(0)
            self.seen += len(after)
        return self._shaped(after, times)

    def potential(self, current: Tensor) -> Tensor:
        """V at the spike of a neuron, or at the end if it stays silent; ``current`` are times."""
        before, weight = self._read(current)
        after = _TimedFunction.apply(before, weight, self.timed, self.steps)
        found = [
            (weight * ((t_i <= t_j.unsqueeze(2)) & t_i.isfinite())).sum(2)
            for t_i, t_j in zip(before.unsqueeze(2), after, strict=True)
        ]
        return self._shaped(torch.stack(found), current)

    def _read(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """What each of P positions reads (N, P, K), and the weights (F, K)."""
        weights = self.weights
        before = (
            _patches(weights, times) if isinstance(weights, SynapticConv2d) else times.unsqueeze(1)
        )
        return before, weights.synapse(weights.weight).flatten(1)

    def _shaped(self, found: Tensor, times: Tensor) -> Tensor:
        """(N, P, F) as a layer's output, (N, F) or (N, F, H', W')."""
        weights = self.weights
        if isinstance(weights, SynapticConv2d):
            return found.mT.unflatten(2, _places(weights, times))
        return found.squeeze(1)

    def draw(self, which: Tensor | None = None, generator: torch.Generator | None = None) -> None:
        """New first weights, uniform in 0 .. start theta / fan-in; of the neurons ``which``."""
        weight = self.weights.weight
        high = self.timed.start * self.timed.threshold.value() / weight[0].numel()
        with torch.no_grad():
            drawn = torch.rand(weight.shape, generator=generator).to(weight) * high.to(weight)
            if which is None:
                weight.copy_(drawn)
                self.weights.synapse.attach(weight)
            else:
                weight[which] = drawn[which]
                self.weights.synapse.attach_again(weight, which)

    def redraw(self, generator: torch.Generator) -> int:
        """New weights for neurons that hardly fired since the last call; how many there were."""
        fired, seen = self.fired, self.seen
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(fired)
            torch.distributed.all_reduce(seen)
        dead = fired < self.timed.redraw * seen
        number = int(dead.sum())
        if number:
            self.draw(dead, generator)
        fired.zero_()
        seen.zero_()
        return number


class EarliestPool2d(nn.MaxPool2d):
    """The earliest spike of a window: of times (N, C, H, W), the least.

    What a max-pool is to potentials that only a spike resets, and to spikes an OR.
    """

    def forward(self, times: Tensor) -> Tensor:
        options = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return -max_pool2d(-times, *options)


def _patches(conv: SynapticConv2d, times: Tensor) -> Tensor:
    """What each position of a convolution reads, (N, P, C k k); outside nothing ever fires."""
    (above, beside), options = _padding(conv), {"dilation": conv.dilation, "stride": conv.stride}
    padded = pad(times, (beside, beside, above, above), value=inf)
    return unfold(padded, conv.kernel_size, **options).mT


def _places(conv: SynapticConv2d, times: Tensor) -> tuple[int, int]:
    """The size of a convolution's output."""
    options = (_padding(conv), conv.dilation, conv.kernel_size, conv.stride)
    rows, columns = (
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip(times.shape[2:], *options, strict=True)
    )
    return rows, columns


def _padding(conv: SynapticConv2d) -> tuple[int, int]:
    if isinstance(conv.padding, str):
        raise UnsupportedError(
            f"padding={conv.padding!r} on spike times", "a convolution", "give it in pixels"
        )
    rows, columns = conv.padding
    return rows, columns
