"""Norse's networks: a cell in a loop over time, its state handed on from step to step.

As in norse/task/cifar10.py, where ``SequentialState`` hands the states on; ``Held`` does so for a
cell anywhere in a network.  ``IAFCell`` for one step and ``LIFBoxCell``, which has no current, for
several are the cheapest of its cells that fit; the surrogate is its default, SuperSpike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from norse.torch import IAFCell, LIFBoxCell, LIFBoxParameters
from norse.torch.functional.iaf import IAFParameters
from torch import Tensor, nn

from training_step.architecture import Architecture
from training_step.peers.layers import Looped, PeerParts


def network(architecture: Architecture, steps: int) -> nn.Module:
    parts = PeerParts(make=_integrate_and_fire if steps == 1 else _leaky)
    return Looped(architecture.parts(parts), steps, _rest)


def _integrate_and_fire() -> nn.Module:
    # Of its own: the cell asks for the gradient of the reset value, which is shared by default.
    return Held(IAFCell(IAFParameters(v_reset=torch.tensor(0.0))))


def _leaky() -> nn.Module:
    """v = v + dt / tau (x - v), dt / tau = 1/2: half our lif's potential, at half its threshold."""
    half = LIFBoxParameters(tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.5))
    return Held(LIFBoxCell(half))


class Held(nn.Module):
    """A cell that keeps its state between the steps of one batch."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.state: Any = None

    def forward(self, current: Tensor) -> Tensor:
        spikes: Tensor
        spikes, self.state = self.cell(current, self.state)
        return spikes


def _rest(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        if isinstance(module, Held):
            module.state = None
