"""ResNet18 and ResNet34 for large images, whose convolutions all read spikes but the first."""

from __future__ import annotations

from torch import nn

from s3nn.models._resnet import Stage, residual_features, stages
from s3nn.models.base import Parts, SpikingModel, check_size, scaled

__all__ = ["ImagenetResnet18", "ImagenetResnet34"]


class _ImagenetResnet(SpikingModel):
    """conv7x7/2, max-pool 3x3/2, four stages of convolutions, a mean of spikes, linear.

    The first convolution reads the image; the pool behind it takes the maximum of its membrane
    potential.  Every other convolution has a real-valued skip of its own and reads spikes.
    Source: He et al., CVPR 2016 (the plan); Liu et al., ECCV 2018 (the skips).
    """

    name: str
    plan: tuple[Stage, ...]

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__(input_shape)
        # All five halvings round up, so that 16 pixels a side still reach the last stage as one.
        check_size(input_shape, 4, self.name)
        parts = parts or Parts()
        before = scaled(self.plan[0].channels, width)
        self.encode = nn.Sequential(
            parts.conv(input_shape[0], before, 7, stride=2, end=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.features, last = residual_features(parts, self.plan, before, width)
        self.readout = parts.readout(last, classes)


class ImagenetResnet18(_ImagenetResnet):
    """ResNet18 for ImageNet: a 7x7 first convolution, a pool, and stages of 4, 4, 4, 4."""

    name = "imagenet_resnet18"
    plan = stages((4, 4, 4, 4))


class ImagenetResnet34(_ImagenetResnet):
    """ResNet34 for ImageNet: a 7x7 first convolution, a pool, and stages of 6, 8, 12, 6."""

    name = "imagenet_resnet34"
    plan = stages((6, 8, 12, 6))
