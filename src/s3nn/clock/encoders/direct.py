"""The image itself, at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.clock.encoders.base import Encoder

__all__ = ["Direct"]


class Direct(Encoder):
    """x[t] = x: the analog image at every step, the first layer being the encoder.

    Source: Rueckauer et al., "Conversion of continuous-valued deep networks to efficient
    event-driven networks", Frontiers in Neuroscience 11 (2017) 682.

    >>> Direct(steps=3)(torch.ones(2, 1, 4, 4)).shape
    torch.Size([6, 1, 4, 4])
    """

    constant = True

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x] * self.steps)
