"""A gate that drops whole channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3nn.gates.base import Decision, Gate

OPEN = 1.0  # the first bias: every channel passes until the mask loss says otherwise


class ChannelGate(Gate):
    """Mean over the image -> softmax over channels -> 1x1 convolution -> a decision a channel.

    x (N, C, H, W) gives logits (N, C, 1, 1); a channel passes where sig(logit) > 0.5.  Softmax of C
    rates is near 1/C everywhere, so that weights of the usual size would make the same decision for
    every image: ours start C times as large, each output blind to what all channels have in common.
    Source: Hasssan et al., "SpQuant-SNN", Frontiers in Neuroscience 18:1440000 (2024); Elkerdawy et
    al., "Fire together wire together", CVPR 2022.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.softmax = nn.Softmax(dim=1)
        self.conv = nn.Conv2d(channels, channels, 1)
        self.decision = Decision(temperature=1.0)
        assert self.conv.bias is not None
        with torch.no_grad():
            self.conv.weight.normal_(std=channels)
            self.conv.weight.sub_(self.conv.weight.mean(1, keepdim=True))
            self.conv.bias.fill_(OPEN)

    def logits(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(self.softmax(self.pool(x)))
        return found

    def spread(self, mask: Tensor, x: Tensor) -> Tensor:
        return mask
