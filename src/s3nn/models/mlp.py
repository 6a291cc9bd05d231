"""Fully connected layers."""

from __future__ import annotations

from math import prod

from torch import nn

from s3nn.errors import UsageError
from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["Mlp"]


class Mlp(SpikingModel):
    """Two hidden layers of 400, as in TSSL-BP's fully connected network; or ``hidden`` of them.

    Without ``norm``, layers are weights and nothing else: no batch-norm and no bias, and they start
    normal with a variance of 2 / fan-in (He et al., ICCV 2015).  This is the network that Zhang and
    Li ("Temporal spike sequence learning via backpropagation", NeurIPS 2020) train on
    Fashion-MNIST, with neurons behind its outputs too (``--model.output``).
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
        norm: bool = True,
        hidden: int = 2,
    ) -> None:
        super().__init__(input_shape)
        if hidden < 1:
            raise UsageError(f"mlp needs 1 hidden layer or more, got hidden={hidden}")
        parts = parts or Parts()
        size, layer = scaled(400, width), parts.linear if norm else parts.weights
        self.encode = nn.Sequential(nn.Flatten(), layer(prod(input_shape), size, end=True))
        self.features = nn.Sequential(parts.neurons(size))
        for _ in range(hidden - 1):
            self.features.extend([layer(size, size), parts.neurons(size)])
        self.readout = (
            parts.readout(size, classes) if norm else parts.weights(size, classes, end=True)
        )
