"""A fully connected network that has its image pass a few neurons."""

from __future__ import annotations

from math import prod

from torch import nn

from s3nn.errors import UsageError
from s3nn.models.base import Parts, SpikingModel, scaled

__all__ = ["Autoencoder"]


class Autoencoder(SpikingModel):
    """256-CODE-256, then linear to as many values as the image has: image to image.

    Every hidden layer has a batch-norm and neurons; the values that come out stand for the image
    that went in (``--task reconstruction``).  CODE, the neurons in the middle, is not scaled by the
    width.  An interpretation of the autoencoders of Hwang et al., Frontiers in Neuroscience 15
    (2021) 629000, whose sizes were not at hand.

    >>> import torch
    >>> Autoencoder((1, 28, 28), classes=10)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 1, 28, 28])
    """

    answers_images = True

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        parts: Parts | None = None,
        width: float = 1.0,
        code: int = 32,
    ) -> None:
        super().__init__(input_shape)
        if code < 1:
            raise UsageError(f"autoencoder needs a code of 1 neuron or more, got {code}")
        parts, hidden, values = parts or Parts(), scaled(256, width), prod(input_shape)
        self.encode = nn.Sequential(nn.Flatten(), parts.linear(values, hidden, end=True))
        self.features = nn.Sequential(
            *(parts.neurons(hidden), parts.linear(hidden, code)),
            *(parts.neurons(code), parts.linear(code, hidden)),
            parts.neurons(hidden),
        )
        self.readout = nn.Sequential(
            parts.readout(hidden, values), nn.Unflatten(1, tuple(input_shape))
        )
