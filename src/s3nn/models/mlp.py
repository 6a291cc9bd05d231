"""Fully connected layers."""

from __future__ import annotations

from math import prod

from torch import nn

from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["Mlp"]


class Mlp(SpikingModel):
    """Two hidden layers of 400, as in TSSL-BP's fully connected network."""

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__(input_shape)
        parts = parts or Parts()
        hidden = scaled(400, width)
        self.encode = nn.Sequential(nn.Flatten(), parts.linear(prod(input_shape), hidden, end=True))
        self.features = nn.Sequential(
            parts.neurons(hidden), parts.linear(hidden, hidden), parts.neurons(hidden)
        )
        self.readout = parts.readout(hidden, classes)
