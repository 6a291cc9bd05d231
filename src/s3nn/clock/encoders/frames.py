"""Frames that were recorded one after the other."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock.encoders.base import Encoder, Shape
from s3nn.errors import UsageError

__all__ = ["Frames"]


class Frames(Encoder):
    """x[t] = channels t C/T to (t + 1) C/T - 1: frames that lie side by side in the channels.

    This is how event data come (see docs/data.md): T frames of two polarities are 2 T channels.
    One step sees all of them at once.

    >>> import torch
    >>> Frames(steps=2)(torch.arange(4.0).view(1, 4, 1, 1)).flatten(1).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def shape(self, image: Shape) -> Shape:
        channels, height, width = image
        if channels % self.steps:
            raise UsageError(
                f"frames deals {channels} channels to {self.steps} steps, which leaves "
                f"{channels % self.steps}: take a number of steps that divides {channels}"
            )
        return channels // self.steps, height, width

    def forward(self, x: Tensor) -> Tensor:
        channels, _, _ = self.shape((x.shape[1], x.shape[2], x.shape[3]))
        return x.unflatten(1, (self.steps, channels)).transpose(0, 1).flatten(0, 1)
