"""One convolution, one fully connected layer, and a read-out."""

from __future__ import annotations

from torch import nn

from s3nn.models.base import Parts, SpikingModel, check_size, scaled

__all__ = ["Cnn3"]


class Cnn3(SpikingModel):
    """32C5-P-1000, then linear; P a 2x2 max-pool of the membrane potential.

    The network of Zhang, Jia, Cheng, Xu, IEEE TNNLS 2021 (reward propagation), who pool the mean of
    spikes instead and have no batch-norm.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__(input_shape)
        check_size(input_shape, 1, "cnn3")
        parts = parts or Parts()
        maps, hidden = scaled(32, width), scaled(1000, width)
        side_y, side_x = input_shape[1] // 2, input_shape[2] // 2
        self.encode = nn.Sequential(
            parts.conv(input_shape[0], maps, kernel=5, end=True), nn.MaxPool2d(2)
        )
        self.features = nn.Sequential(
            parts.neurons(maps),
            nn.Flatten(),
            parts.linear(maps * side_y * side_x, hidden),
            parts.neurons(hidden),
        )
        self.readout = parts.readout(hidden, classes)
