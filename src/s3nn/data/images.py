"""Single images for a trained network: read from a file, handed in as a tensor, written."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from s3nn.data._pillow import EXTENSIONS, decode, in_words, size_in_words, to_tensor
from s3nn.data.base import Shape
from s3nn.errors import DataError, UsageError
from s3nn.files import write_bytes


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


def read_picture(path: Path | str) -> Tensor:
    """The picture in ``path``, uint8 (C, H, W) of its own size, C being 1 (grey) or 3 (RGB).

    Raises ``DataError`` for a file that is no picture, or would lose something.
    """
    return to_tensor(decode(Path(path)))


def picture_format(path: Path) -> str:
    """Pillow's name of the format that a picture's name asks for; of others a ``UsageError``."""
    suffix = path.suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if suffix not in EXTENSIONS or kind is None or kind not in Image.SAVE:
        raise UsageError(
            f"{path.name} is in no format to write a picture in: end its name in .png (exact), "
            ".tif or .jpg"
        )
    return kind


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write uint8 (C, H, W), C being 1 or 3, in the format that the name of ``path`` says."""
    kind = picture_format(path)
    plane = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)
    content = BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(content, format=kind)
    write_bytes(path, content.getvalue())


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
