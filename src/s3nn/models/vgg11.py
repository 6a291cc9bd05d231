"""VGG11 with one fully connected layer."""

from __future__ import annotations

from torch import nn

from s3nn.models.base import Parts, SpikingModel, check_size, scaled

__all__ = ["Vgg11"]

# Channels of each convolution; True where a pool follows.
PLAN = (
    (64, True),
    (128, True),
    (256, False),
    (256, True),
    (512, False),
    (512, True),
    (512, False),
    (512, True),
)


class Vgg11(SpikingModel):
    """64-P-128-P-256-256-P-512-512-P-512-512-P, then linear.

    Pools halve the side, rounding up, so that images of 28x28 reach the last pool too.
    Source: Simonyan & Zisserman, ICLR 2015, configuration A, with batch-norm.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__(input_shape)
        check_size(input_shape, 4, "vgg11")
        parts = parts or Parts()
        layers: list[nn.Module] = []
        before, side_y, side_x = input_shape[0], *input_shape[1:]
        for number, (channels, pool) in enumerate(PLAN):
            after = scaled(channels, width)
            layers.append(parts.conv(before, after, end=number == 0))
            if pool:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                side_y, side_x = -(-side_y // 2), -(-side_x // 2)
            layers.append(parts.neurons(after))
            before = after
        self.encode = nn.Sequential(*layers[:2])
        self.features = nn.Sequential(*layers[2:], nn.Flatten())
        self.readout = parts.readout(before * side_y * side_x, classes)
