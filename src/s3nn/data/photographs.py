"""The photographs that scikit-image brings along, cut into patches: no download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from s3nn.data._pillow import to_tensor
from s3nn.data.base import Places, Raw, Source, Split
from s3nn.errors import UsageError

__all__ = ["Photographs"]

# Functions of skimage.data whose files lie in its wheel; others would be downloaded.
TRAIN = (
    *("astronaut", "brick", "clock", "grass", "gravel", "immunohistochemistry", "moon"),
    *("motorcycle", "page", "text"),
)
VALIDATION = ("coins", "rocket")
TEST = ("camera", "cat", "coffee")
SIDE, STRIDE = 64, 40


class Photographs(Source):
    """Patches of 64x64 grey levels of 15 photographs; the label says of which.

    Splits are of photographs: no patch of a test photograph is seen before the end.  Train patches
    lie 40 pixels apart and overlap, those of validation and test lie side by side.  Colours become
    grey by luma (ITU-R 601).  Which photographs are in which split stands in ``TRAIN``,
    ``VALIDATION`` and ``TEST`` of this file; ``photograph`` gives a whole one.

    Source: van der Walt et al., "scikit-image: image processing in Python", PeerJ 2 (2014) e453,
    and the README of its folder ``data``.
    """

    name = "photographs"
    classes = (*TRAIN, *VALIDATION, *TEST)
    shape = (1, SIDE, SIDE)
    licence = "CC0, public domain or as the README of skimage/data says, image by image"

    def read(self, places: Places) -> Raw:
        if places.folder is not None:
            raise UsageError("photographs come with scikit-image: leave the data set's folder out")
        train, validation, test = (
            _split(names, stride)
            for names, stride in ((TRAIN, STRIDE), (VALIDATION, SIDE), (TEST, SIDE))
        )
        return Raw(train, test, validation, source="embedded in scikit-image")


def photograph(name: str) -> Tensor:
    """One of the photographs, uint8 (1, H, W).

    Without scikit-image it is a ``UsageError`` that says how to get it.
    """
    try:
        import skimage.data
    except ImportError:
        raise UsageError(
            "photographs come with scikit-image, which is not installed: "
            "pip install 's3nn[denoise]'"
        ) from None
    # The left of two views of one motorcycle; the right one would be almost the same picture.
    pixels: Any = (
        skimage.data.stereo_motorcycle()[0]
        if name == "motorcycle"
        else getattr(skimage.data, name)()
    )
    return to_tensor(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))


def patches(image: Tensor, stride: int) -> Tensor:
    """All patches (N, 1, 64, 64) of an image (1, H, W) whose corners lie ``stride`` apart.

    >>> patches(torch.zeros(1, 128, 144), 40).shape
    torch.Size([6, 1, 64, 64])
    """
    cut = image.unfold(1, SIDE, stride).unfold(2, SIDE, stride)
    return cut.reshape(-1, 1, SIDE, SIDE)


def _split(names: Sequence[str], stride: int) -> Split:
    found = {name: patches(photograph(name), stride) for name in names}
    labels = [torch.full((len(p),), Photographs.classes.index(n)) for n, p in found.items()]
    return Split(torch.cat(list(found.values())).contiguous(), torch.cat(labels))
