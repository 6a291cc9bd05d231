"""What residual networks are put together from: a real-valued skip around every convolution."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from s3nn.models.base import Parts, scaled


class Residual(nn.Module):
    """neurons -> conv -> batch-norm -> + skip, the skip being the real-valued input.

    Where the stage changes size, the skip is a strided mean of the real value and a repetition
    of its channels, so that no convolution reads an analog value.  The sum is real: it is the
    membrane potential of the next block's neurons.

    The mean of the pixels keeps the potential where it was.  Their maximum would raise it at every
    change of size, about a standard deviation each: of an untrained network almost all neurons of
    the last stages would fire.
    Source: the skip a convolution of Liu et al., "Bi-Real Net", ECCV 2018, who take the mean.
    """

    def __init__(self, parts: Parts, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.neurons = parts.neurons(c_in)
        self.conv = parts.conv(c_in, c_out, stride=stride)
        skip: list[nn.Module] = []
        if stride > 1:
            skip.append(nn.AvgPool2d(stride, ceil_mode=True))
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


@dataclass(frozen=True)
class Stage:
    """Convolutions of one width: how many there are, and the stride of the first."""

    channels: int
    convs: int
    stride: int


def stages(convs: tuple[int, int, int, int]) -> tuple[Stage, ...]:
    """The four stages of He et al., CVPR 2016: 64, 128, 256 and 512 channels, halving in between.

    ``convs`` are the convolutions of each, two for every basic block of theirs.

    >>> stages((4, 4, 4, 4))[1]
    Stage(channels=128, convs=4, stride=2)
    """
    return tuple(
        Stage(64 * 2**number, count, 1 if number == 0 else 2) for number, count in enumerate(convs)
    )


def residual_features(
    parts: Parts, plan: tuple[Stage, ...], before: int, width: float
) -> tuple[nn.Sequential, int]:
    """The stages of ``plan`` behind ``before`` channels, neurons and a mean over the image.

    Returns them with the number of features (N, channels) that they end in.
    """
    blocks: list[nn.Module] = []
    for stage in plan:
        after = scaled(stage.channels, width)
        for number in range(stage.convs):
            stride = stage.stride if number == 0 else 1
            blocks.append(Residual(parts, before, after, stride))
            before = after
    ends = (parts.neurons(before), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*blocks, *ends), before
