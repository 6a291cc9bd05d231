"""ResNet18 whose convolutions all read spikes."""

from __future__ import annotations

from torch import Tensor, nn

from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["Resnet18"]

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride of the stage's first block
CONVS_A_STAGE = 4


class Residual(nn.Module):
    """neurons -> conv -> batch-norm -> + skip, the skip being the real-valued input.

    Where the stage changes size, the skip is a strided max-pool of the real value and a repetition
    of its channels, so that no convolution reads an analog value.  The sum is real: it is the
    membrane potential of the next block's neurons.
    Source: the skip a convolution of Liu et al., "Bi-Real Net", ECCV 2018.
    """

    def __init__(self, parts: Parts, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.neurons = parts.neurons(c_in)
        self.conv = parts.conv(c_in, c_out, stride=stride)
        skip: list[nn.Module] = []
        if stride > 1:
            skip.append(nn.MaxPool2d(stride, ceil_mode=True))
        if c_out != c_in:
            skip.append(RepeatChannels(c_in, c_out))
        self.skip = nn.Sequential(*skip)

    def forward(self, potential: Tensor) -> Tensor:
        total: Tensor = self.conv(self.neurons(potential)) + self.skip(potential)
        return total


class RepeatChannels(nn.Module):
    """(N, c_in, H, W) -> (N, c_out, H, W): the channels over and over, until there are c_out."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.times, self.c_out = -(-c_out // c_in), c_out

    def forward(self, x: Tensor) -> Tensor:
        return x.repeat(1, self.times, 1, 1)[:, : self.c_out]


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
        before = scaled(STAGES[0][0], width)
        self.encode = parts.conv(input_shape[0], before, end=True)
        blocks: list[nn.Module] = []
        for channels, stage_stride in STAGES:
            after = scaled(channels, width)
            for number in range(CONVS_A_STAGE):
                stride = stage_stride if number == 0 else 1
                blocks.append(Residual(parts, before, after, stride))
                before = after
        self.features = nn.Sequential(
            *blocks, parts.neurons(before), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.readout = parts.readout(before, classes)
