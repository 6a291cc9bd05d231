"""What holds gates to the share of spikes that they are to let pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s3nn.gates.base import Decision, Gated

# Noise is gone after this share of the training.
QUIET = 0.5


@dataclass
class Passed:
    """The shares of the spikes that gated layers let pass in a forward pass."""

    shares: list[Tensor]
    target: float
    weight: float

    def loss(self) -> Tensor | float:
        """``weight sum over layers of (share - target)^2``; 0 where there are no gates."""
        if not self.shares:
            return 0.0
        return self.weight * (torch.stack(self.shares) - self.target).square().sum()

    def mean(self) -> Tensor:
        return torch.stack(self.shares).detach().mean()


class MaskLoss:
    """Draws each gated layer of ``network`` to let the share ``target`` of its spikes pass.

    The share is that of the decisions without noise, which are those of eval mode; spikes are
    constants to it, so that only gates learn from it.  Windows of steps that go through the network
    one after the other each count.

    Source: the squared distance to a target of Li et al., "Dynamic dual gating neural networks",
    ICCV 2021.  Hasssan et al. draw each channel gate to the channels that hold 0.85 of an image's
    activity, a kept share too; their code writes that loss and never adds it.
    """

    def __init__(self, network: nn.Module, target: float, weight: float) -> None:
        self.layers = [module for module in network.modules() if isinstance(module, Gated)]
        decisions = [m for m in network.modules() if isinstance(m, Decision)]
        self._noise = [(decision, decision.noise) for decision in decisions]
        self.target, self.weight = target, weight

    def begin_epoch(self, progress: float) -> None:
        """At ``progress``, 0 to 1, of a training: noise falls linearly to none at its half.

        Without it layers behind gates see in training what they see in eval mode, where the share
        that passes is measured.  Our choice: with noise to the end it came out several points off.
        """
        for decision, first in self._noise:
            decision.noise = first * max(0.0, 1 - progress / QUIET)

    @contextmanager
    def watched(self) -> Iterator[Passed]:
        """Inside, forward passes are watched; what is yielded says what they let pass."""
        passed = Passed([], self.target, self.weight)
        for layer in self.layers:
            layer.seen = passed.shares
        try:
            yield passed
        finally:
            for layer in self.layers:
                layer.seen = None
