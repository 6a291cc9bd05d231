"""The largest output."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock.readouts.base import Readout

__all__ = ["Max"]


class Max(Readout):
    """max_t y[t], a class by itself: the step at which a class is surest speaks for it."""

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.amax(0)
