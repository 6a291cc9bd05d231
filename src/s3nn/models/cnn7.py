"""Six convolutions and a read-out."""

from __future__ import annotations

from torch import nn

from s3nn.models.base import Parts, SpikingModel, check_size, scaled

__all__ = ["Cnn7"]


class Cnn7(SpikingModel):
    """64-64-P-128-128-P-256-256-P, then linear; P a 2x2 max-pool of the membrane potential."""

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__(input_shape)
        check_size(input_shape, 3, "cnn7")
        parts = parts or Parts()
        a, b, c = (scaled(channels, width) for channels in (64, 128, 256))
        side_y, side_x = input_shape[1] // 8, input_shape[2] // 8
        self.encode = parts.conv(input_shape[0], a, end=True)
        self.features = nn.Sequential(
            parts.neurons(a),
            *(parts.conv(a, a), nn.MaxPool2d(2), parts.neurons(a)),
            *(parts.conv(a, b), parts.neurons(b)),
            *(parts.conv(b, b), nn.MaxPool2d(2), parts.neurons(b)),
            *(parts.conv(b, c), parts.neurons(c)),
            *(parts.conv(c, c), nn.MaxPool2d(2), parts.neurons(c)),
            nn.Flatten(),
        )
        self.readout = parts.readout(c * side_y * side_x, classes)
