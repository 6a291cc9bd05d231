"""The mean over time."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock.readouts.base import Readout

__all__ = ["Mean"]


class Mean(Readout):
    """1/T sum_t y[t]: the mean of the outputs over the steps."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.mean(0)
