"""Decoding image files with Pillow into uint8 arrays, grey or RGB."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from s3nn.errors import DataError

EXTENSIONS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
)

# Pillow's modes that are grey or RGB without loss; the value is the mode we decode to.
_LOSSLESS = {"1": "L", "L": "L", "RGB": "RGB"}
_MAY_HAVE_ALPHA = {"LA": "L", "La": "L", "RGBA": "RGB", "RGBa": "RGB", "P": "RGB", "PA": "RGB"}
# Formats whose files may have several; of a camera's JPEG the first is the picture.
_MAY_HAVE_FRAMES = {"GIF", "TIFF", "WEBP", "PNG"}
# What turns into RGB with 8 bits a colour; the published ImageNet has CMYK in it.
_TO_RGB = {*_LOSSLESS, *_MAY_HAVE_ALPHA, "CMYK", "YCbCr", "HSV", "LAB"}


def decode(path: Path) -> Image.Image:
    """The image in ``path``, upright, in mode L or RGB.

    A palette becomes RGB and an opaque alpha channel is dropped; what would lose something
    (transparency, 16 bits, CMYK, frames) is a ``DataError`` that says so.
    """
    image = open_upright(path, str(path))
    alpha = "transparency" in image.info
    if image.mode in _LOSSLESS and not alpha:
        return image.convert(_LOSSLESS[image.mode])
    if image.mode in _MAY_HAVE_ALPHA or image.mode in _LOSSLESS:
        opacity = np.asarray(image.convert("RGBA"))[..., 3]
        if int(opacity.min()) == 255:
            return image.convert((_MAY_HAVE_ALPHA | _LOSSLESS)[image.mode])
        raise DataError(f"{path} is transparent in places: save it with a background, grey or RGB")
    raise DataError(f"{path} has the colour mode {image.mode}: save it as 8-bit grey or RGB")


def open_upright(source: Path | IO[bytes], called: str) -> Image.Image:
    """The image in a file, turned upright as its EXIF orientation says, in its own mode."""
    try:
        with Image.open(source) as opened:
            _check_whole(opened, called)
            image: Image.Image = ImageOps.exif_transpose(opened)
            image.load()
    # Damaged files raise more than OSError: SyntaxError (PNG), ValueError, Pillow's bomb error.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        why = "it is in no format that Pillow knows" if unknown else error
        raise DataError(f"cannot read {called} as an image ({why})") from error
    return image


def _check_whole(opened: Image.Image, called: str) -> None:
    """A ``DataError`` for what Pillow would cut short without a word."""
    frames = getattr(opened, "n_frames", 1) if opened.format in _MAY_HAVE_FRAMES else 1
    if frames > 1:
        raise DataError(f"{called} has {frames} frames: save the one that is meant")
    coded = [tile.args for tile in opened.tile]  # type: ignore[attr-defined]
    if any(args == "RGB;16B" or args == ("RGB", 2**16 - 1) for args in coded):
        raise DataError(f"{called} has 16 bits a colour: save it as 8-bit grey or RGB")


def to_rgb(image: Image.Image, called: str) -> Image.Image:
    """``image`` in mode RGB: grey three times, CMYK without a colour profile, alpha dropped."""
    if image.mode not in _TO_RGB:
        raise DataError(f"{called} has the colour mode {image.mode}: save it as 8-bit grey or RGB")
    if image.mode == "RGB":
        return image
    # Palettes with transparency reach RGB without a warning by way of RGBA.
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def to_tensor(image: Image.Image) -> Tensor:
    """uint8 (C, H, W) of an image in mode L (C = 1) or RGB (C = 3)."""
    pixels = np.array(image, dtype=np.uint8)
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    return torch.from_numpy(np.ascontiguousarray(planes))


def in_words(width: int, height: int, channels: int) -> str:
    """A size as a person says it, width first.

    >>> in_words(28, 28, 1)
    '28x28 grey'
    """
    colours = {1: "grey", 3: "RGB"}.get(channels, f"with {channels} channels")
    return f"{width}x{height} {colours}"


def size_in_words(image: Image.Image) -> str:
    return in_words(*image.size, len(image.getbands()))
