"""A gate that drops blocks of pixels."""

from __future__ import annotations

from torch import Tensor, nn

from s3nn.gates.base import Decision, Gate

BLOCK = 2
TEMPERATURE = 0.4
OPEN = 2.0  # the first bias: every block passes until the mask loss says otherwise


class SpatialGate(Gate):
    """Mean over blocks of ``block`` x ``block`` pixels -> 3x3 convolution -> a decision a block.

    x (N, C, H, W) gives logits (N, 1, ceil(H / block), ceil(W / block)): one mask for all channels,
    as in the gates that the authors started from, and as their own count of operations has it
    (9 C a block).  Their code has C masks, ``per_channel``, which cost a quarter of the convolution
    behind them.  Training draws the decision with Gumbel noise at temperature 0.4.
    Source: Hasssan et al., "SpQuant-SNN", Frontiers in Neuroscience 18:1440000 (2024); Li et al.,
    "Dynamic dual gating neural networks", ICCV 2021.
    """

    def __init__(self, channels: int, block: int = BLOCK, per_channel: bool = False) -> None:
        super().__init__()
        self.block = block
        self.pool = nn.AvgPool2d(block, ceil_mode=True)
        self.conv = nn.Conv2d(channels, channels if per_channel else 1, 3, padding=1)
        self.decision = Decision(TEMPERATURE, noise=1.0)
        assert self.conv.bias is not None
        nn.init.constant_(self.conv.bias, OPEN)

    def logits(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(self.pool(x))
        return found

    def spread(self, mask: Tensor, x: Tensor) -> Tensor:
        wide = mask.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)
        return wide[:, :, : x.shape[2], : x.shape[3]]
