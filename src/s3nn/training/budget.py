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
# The multiplier moves by so much a step for a rate that is twice its goal.
GAIN = 2e-3


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
    """The price of spikes that a budget asks for: dual ascent on ``rate <= goal``.

    The loss is ``L + lambda (rate / goal - 1)``, and after each step ``lambda`` becomes ``max(0,
    lambda + gain (rate / goal - 1))``: it rises while the network fires too much and falls while
    it could fire more.  ``lambda`` is a buffer, so that a resumed run goes on with it.
    Source: Bertsekas, "Constrained Optimization and Lagrange Multiplier Methods", 1982.

    >>> price = Multiplier(0.05)
    >>> price.update(torch.tensor(0.097)); round(price.value.item(), 4)
    0.002
    """

    value: Tensor

    def __init__(self, budget: float) -> None:
        super().__init__()
        self.goal = MARGIN * budget
        self.register_buffer("value", torch.zeros(()))

    def forward(self, rate: Tensor) -> Tensor:
        """What ``rate`` adds to the loss."""
        return self.value.clone() * (rate / self.goal - 1)

    @torch.no_grad()
    def update(self, rate: Tensor) -> None:
        self.value.add_(GAIN * (rate.detach() / self.goal - 1)).clamp_(min=0)
