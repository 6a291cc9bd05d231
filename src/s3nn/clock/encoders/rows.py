"""An image shown strip by strip."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock.encoders.base import Encoder, Shape
from s3nn.errors import UsageError

__all__ = ["Rows"]


class Rows(Encoder):
    """x[t] = rows t H/T to (t + 1) H/T - 1 of the image, of shape (C, H/T, W); T divides H.

    With T = H this is the row-by-row task of sequence models: what came before has to be kept in
    the neurons' potentials.
    Source: Le, Jaitly, Hinton, "A simple way to initialize recurrent networks of rectified linear
    units", arXiv 1504.00941 (the sequential form of image data).

    >>> import torch
    >>> Rows(steps=2)(torch.arange(4.0).view(1, 1, 4, 1)).flatten(1).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def shape(self, image: Shape) -> Shape:
        channels, height, width = image
        if height % self.steps:
            raise UsageError(
                f"rows shows {height} rows in {self.steps} equal steps, which leaves "
                f"{height % self.steps}: take a number of steps that divides {height}"
            )
        return channels, height // self.steps, width

    def forward(self, x: Tensor) -> Tensor:
        _, height, _ = self.shape((x.shape[1], x.shape[2], x.shape[3]))
        return x.unflatten(2, (self.steps, height)).permute(2, 0, 1, 3, 4).flatten(0, 1)
