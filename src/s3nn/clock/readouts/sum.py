"""The sum over time."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock.readouts.base import Readout

__all__ = ["Sum"]


class Sum(Readout):
    """sum_t y[t]: an output neuron that integrates, never leaks and never fires."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.sum(0)
