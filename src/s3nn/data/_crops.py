"""Square cuts of images of any size: at random for training, in the middle for everything else."""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]  # left, upper, right, lower, in pixels

AREA = (0.25, 1.0)  # of a random cut, as a share of the image's
RATIO = (3 / 4, 4 / 3)  # of its width to its height
TRIES = 10
MIDDLE = 224 / 256  # of the short side


def random_box(width: int, height: int, rng: random.Random) -> Box:
    """A box with a share of the area uniform in AREA and a ratio log-uniform in RATIO.

    Where none of TRIES boxes fits into the image, it is the largest in the middle whose ratio is
    as close to the image's as RATIO allows.
    Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6.
    """
    for _ in range(TRIES):
        area = width * height * rng.uniform(*AREA)
        ratio = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, upper = rng.randint(0, width - wide), rng.randint(0, height - high)
            return left, upper, left + wide, upper + high
    wide = min(width, max(1, round(height * RATIO[1])))
    high = min(height, max(1, round(width / RATIO[0])))
    return _in_the_middle(width, height, wide, high)


def middle_box(width: int, height: int) -> Box:
    """The middle square, 224/256 of the short side: what is left when the short side is resized to
    256 and a square of 224 is cut out.

    >>> middle_box(512, 256)
    (144.0, 16.0, 368.0, 240.0)
    """
    side = min(width, height) * MIDDLE
    return _in_the_middle(width, height, side, side)


def _in_the_middle(width: int, height: int, wide: float, high: float) -> Box:
    left, upper = (width - wide) / 2, (height - high) / 2
    return left, upper, left + wide, upper + high


def middle(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """The middle square of an image, 224/256 of its short side, in ``side`` pixels a side."""
    return cut(image, middle_box(*image.size), side)


def cut(image: Image.Image, box: Box, side: int) -> NDArray[np.uint8]:
    """``box`` of an RGB image, resized (bilinear, antialiased): uint8 (side, side, 3)."""
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
