"""What an encoder is: from an image to what the first layer reads at every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge

Shape = tuple[int, int, int]


class Encoder(nn.Module, ABC):
    """Images (N, C, H, W) to a sequence (T N, C', H', W'): step t of image n is number ``t N + n``.

    ``emits`` declares what the first layer reads, analog values or spikes.  An encoder that is
    ``constant`` shows the same at every step, so that the first layer may run once and its current
    be repeated.

    Images come normalised; ``mean`` and ``std``, one number a channel, undo that where an encoder
    is about intensities in 0..1.
    """

    emits: ClassVar[Edge] = Edge.ANALOG
    constant: ClassVar[bool] = False
    mean: Tensor
    std: Tensor

    def __init__(
        self, steps: int, mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)
    ) -> None:
        super().__init__()
        if steps < 1:
            raise UsageError(f"a network runs for 1 step or more, got {steps}")
        self.steps = steps
        for name, values in (("mean", mean), ("std", std)):
            given = torch.tensor(tuple(values), dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, given, persistent=False)

    def shape(self, image: Shape) -> Shape:
        """(C', H', W') of a step, from an image's (C, H, W); ``UsageError`` if it cannot be."""
        return image

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The steps of ``x``, folded into the batch."""

    def intensity(self, x: Tensor) -> Tensor:
        """The pixels of normalised images ``x`` (N, C, H, W) as they were, in 0..1."""
        return (x * self.std.to(x.dtype) + self.mean.to(x.dtype)).clamp(0, 1)

    def extra_repr(self) -> str:
        return f"steps={self.steps}"
