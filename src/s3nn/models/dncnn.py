"""The denoising convolutional network."""

from __future__ import annotations

from torch import nn

from s3nn.errors import UsageError
from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["Dncnn"]


class Dncnn(SpikingModel):
    """conv3-64, neurons, (conv3-64, batch-norm, neurons) x (depth - 2), conv3: image to image.

    The first and the last convolution have biases and no batch-norm, as published; no layer changes
    the size, so that a trained network takes images of any size.  What the image that comes out
    stands for is the task's: the noise on the one that went in (``denoising``).
    Source: Zhang, Zuo, Chen, Meng, Zhang, "Beyond a Gaussian denoiser: residual learning of deep
    CNN for image denoising", IEEE TIP 26 (2017), arXiv 1608.03981, whose depth is 17.

    >>> import torch
    >>> Dncnn((1, 40, 40), classes=1, width=0.1)(torch.zeros(2, 1, 30, 50)).shape
    torch.Size([2, 1, 30, 50])
    """

    answers_images = True

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
        depth: int = 6,
    ) -> None:
        super().__init__(input_shape)
        if depth < 2:
            raise UsageError(f"dncnn needs a depth of 2 convolutions or more, got {depth}")
        parts, image, c = parts or Parts(), input_shape[0], scaled(64, width)
        self.encode = parts.plain_conv(image, c)
        hidden = [layer for _ in range(depth - 2) for layer in (parts.conv(c, c), parts.neurons(c))]
        self.features = nn.Sequential(parts.neurons(c), *hidden)
        self.readout = parts.plain_conv(c, image)
        self.reach = depth
