"""One hidden layer, of weights and nothing else."""

from __future__ import annotations

from math import prod, sqrt

from torch import nn

from s3nn.errors import UsageError
from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["OneHidden"]


class OneHidden(SpikingModel):
    """246 hidden neurons between two matrices of weights, without bias or batch-norm.

    Weights start normal, of deviation gain / sqrt(fan-in); those of the first layer around
    ``mean``.  Source: the network that Cramer et al., PNAS 119 (2022), put on a chip, where gain is
    0.7 (1 - e^(-dt/tau_m)) and mean 1e-3; sqrt(2) is He et al.'s (ICCV 2015).
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
        gain: float = sqrt(2),
        mean: float = 0.0,
    ) -> None:
        super().__init__(input_shape)
        if not gain > 0:
            raise UsageError(f"one_hidden needs a gain > 0 of its first weights, got {gain}")
        parts = parts or Parts()
        hidden, inputs = scaled(246, width), prod(input_shape)
        first = parts.weights(inputs, hidden, end=True)
        self.readout = parts.weights(hidden, classes, end=True)
        for layer, centre in ((first, mean), (self.readout, 0.0)):
            nn.init.normal_(layer.weight, centre, gain / sqrt(layer.in_features))
            layer.synapse.attach(layer.weight)
        self.encode = nn.Sequential(nn.Flatten(), first)
        self.features = nn.Sequential(parts.neurons(hidden))
