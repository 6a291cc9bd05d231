"""ResNet18 whose convolutions all read spikes."""

from __future__ import annotations

from s3nn.models._resnet import residual_features, stages
from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["Resnet18"]

STAGES = stages((4, 4, 4, 4))


class Resnet18(SpikingModel):
    """conv64, four stages of four convolutions (64, 128, 256, 512), a mean of spikes, linear.

    The small-image form: a 3x3 first convolution and no pool behind it.  Every convolution has a
    real-valued skip of its own and reads spikes.
    Source: He et al., CVPR 2016 (the plan); Liu et al., ECCV 2018 (the skips).
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
    ) -> None:
        super().__init__(input_shape)
        parts = parts or Parts()
        before = scaled(STAGES[0].channels, width)
        self.encode = parts.conv(input_shape[0], before, end=True)
        self.features, last = residual_features(parts, STAGES, before, width)
        self.readout = parts.readout(last, classes)
