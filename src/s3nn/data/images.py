"""Single images for a trained network: read from a file, or handed in as a tensor."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from s3nn.data._pillow import decode, in_words, size_in_words, to_tensor
from s3nn.data.base import Shape
from s3nn.errors import DataError


def read_image(path: Path | str, spec_shape: Shape, resize: bool = False) -> Tensor:
    """The image in ``path`` as uint8 of shape ``spec_shape`` (C, H, W).

    Parameters
    ----------
    path: any format that Pillow reads.
    spec_shape: what the network takes, C being 1 (grey) or 3 (RGB).
    resize: convert an image of another size or colour: grey by luma (ITU-R 601), the size by
        antialiased bilinear interpolation, without regard to its aspect ratio.

    Raises ``DataError`` for a file that is no image, or does not fit while ``resize`` is off.
    """
    path = Path(path)
    channels, height, width = spec_shape
    if channels not in (1, 3):
        raise DataError(
            f"an image file is grey or RGB, the network takes {channels} channels: "
            "hand in a tensor instead"
        )
    image = decode(path)
    wanted_mode = "L" if channels == 1 else "RGB"
    if (image.mode, image.size) != (wanted_mode, (width, height)):
        if not resize:
            raise DataError(
                f"{path.name} is {size_in_words(image)}, the network takes "
                f"{in_words(width, height, channels)}: pass --resize"
            )
        image = image.convert(wanted_mode).resize((width, height), Image.Resampling.BILINEAR)
    return to_tensor(image)


def check_images(x: Tensor, shape: Shape) -> None:
    """``DataError`` unless ``x`` is a batch (N, C, H, W) of images of ``shape`` (C, H, W).

    Pixels are uint8 (0..255) or floating point (already normalised, finite).

    >>> check_images(torch.zeros(2, 1, 28, 28), (1, 28, 28))
    """
    wanted = f"(N, {', '.join(map(str, shape))})"
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise DataError(
            f"images are {x.dtype}, expected uint8 (0..255) or floating point (normalised)"
        )
    if tuple(x.shape) == tuple(shape):
        raise DataError(f"got one image of shape {tuple(x.shape)}: add a batch axis, x[None]")
    if x.ndim == 4 and tuple(x.shape[1:]) == (shape[1], shape[2], shape[0]) != tuple(shape):
        raise DataError(
            f"got images of shape {tuple(x.shape)} with the channels last, expected {wanted}: "
            "move them, x.permute(0, 3, 1, 2)"
        )
    if x.ndim != 4 or tuple(x.shape[1:]) != tuple(shape):
        raise DataError(f"got images of shape {tuple(x.shape)}, expected {wanted}")
    if len(x) == 0:
        raise DataError(f"got no images: the shape is {tuple(x.shape)}")
    if x.is_floating_point() and not bool(torch.isfinite(x).all()):
        raise DataError("the images have values that are not finite (NaN or infinity)")
