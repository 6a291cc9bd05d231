"""What a network may spend, held during training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.clock import binary_layers
from s3nn.errors import UsageError
from s3nn.graph.ir import Edge

# The goal stands a little under the budget, so that an epoch that meets the one meets the other.
MARGIN = 0.97
# The goal reaches its place after this share of the training.
RAMP = 0.5
# The logarithm of the price moves by so much over a training with a rate that is twice its goal.
GAIN, MOST_A_STEP = 40.0, 0.1
START, LEAST, MOST = 0.3, 1e-4, 10.0


class FiringRate:
    """The mean firing rate of a network: spikes over neurons and steps, with its gradient.

    >>> from s3nn.models import Mlp
    >>> model = Mlp((1, 8, 8), 10)
    >>> with FiringRate(model).watched() as rate:
    ...     _ = model(torch.randn(4, 1, 8, 8))
    >>> 0 < rate().item() < 1
    True
    """

    def __init__(self, network: nn.Module) -> None:
        self.layers = [layer for _, layer in binary_layers(network, Edge.SPIKE)]
        if not self.layers:
            raise UsageError(
                "a budget of spikes needs neurons that spike and this network has none: "
                "drop --budget, or take --model.neuron fire"
            )

    @contextmanager
    def watched(self) -> Iterator[Any]:
        """Inside, forward passes are watched; what is yielded gives the last one's rate."""
        spikes: list[tuple[Tensor, int]] = []

        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes.append((output.sum(dtype=torch.float32), output.numel()))

        def rate() -> Tensor:
            total = torch.stack([fired for fired, _ in spikes]).sum()
            return total / sum(neurons for _, neurons in spikes)

        handles = [layer.register_forward_hook(hook) for layer in self.layers]
        try:
            yield rate
        finally:
            for handle in handles:
                handle.remove()


class Multiplier(nn.Module):
    """The price lambda of spikes that a budget asks for: dual ascent on ``rate <= goal``.

    The loss is ``L + lambda (rate / goal - 1)``.  After each of a training's ``steps``, with the
    error ``e = rate / goal - 1`` clipped to -1..1, ``lambda <- lambda exp(GAIN e / steps)``: the
    price rises while the network fires too much and falls while it could fire more, by ratios,
    since what it has to be is not known within a factor of ten.  The goal comes down from the first
    rate that is seen to its own, in equal ratios over the first ``RAMP`` of the training: a goal
    far below the rate would drive the price to where the network falls silent, and it takes long
    to come back (docs/LOG.md).  What is remembered lies in buffers, so that a resumed run goes on
    with it.
    Source: Bertsekas, "Constrained Optimization and Lagrange Multiplier Methods", 1982 (the
    ascent); its exponential form is our choice.

    >>> price = Multiplier(0.05)
    >>> price.update(torch.tensor(0.194), step=0, steps=1000)  # the goal starts at the rate
    >>> price.update(torch.tensor(0.194), step=250, steps=1000); round(price.value.item(), 3)
    0.312
    """

    value: Tensor
    first: Tensor
    goal: Tensor

    def __init__(self, budget: float) -> None:
        super().__init__()
        self.last_goal = MARGIN * budget
        self.register_buffer("value", torch.tensor(START))
        self.register_buffer("first", torch.zeros(()))
        self.register_buffer("goal", torch.ones(()))

    def forward(self, rate: Tensor) -> Tensor:
        """What ``rate`` adds to the loss."""
        return self.value.clone() * (rate / self.goal.clone() - 1)

    @torch.no_grad()
    def update(self, rate: Tensor, step: int, steps: int) -> None:
        """After ``step`` of the ``steps`` of a training, which saw ``rate``."""
        if self.first == 0:
            self.first.copy_(rate.clamp(min=self.last_goal))
        left = max(0.0, 1 - step / steps / RAMP)
        self.goal.copy_(self.last_goal * (self.first / self.last_goal) ** left)
        error = (rate.detach() / self.goal - 1).clamp(-1, 1)
        self.value.mul_(torch.exp(min(GAIN / steps, MOST_A_STEP) * error)).clamp_(LEAST, MOST)
