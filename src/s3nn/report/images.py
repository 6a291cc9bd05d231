"""Arrays as PNG data URIs, one array element a pixel; the page scales them up unsmoothed."""

from __future__ import annotations

import base64
import math
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from s3nn.report.palette import Tone

DARK = (16, 19, 24)
HOT = (255, 250, 238)
MIDDLE = 0.75


def picture(image: NDArray[np.uint8]) -> str:
    """A test image (C, H, W): gray for one channel, colour for three.

    Other channels are frames of events: their mean is shown, stretched to white, for counts are
    small numbers.
    """
    if image.shape[0] == 3:
        return _png(np.moveaxis(image, 0, -1))
    if image.shape[0] == 1:
        return _png(image[0])
    mean = image.mean(axis=0)
    return _png((255 * mean / max(float(mean.max()), 1e-9)).astype(np.uint8))


def spike_counts(spikes: NDArray[np.uint8], tone: Tone) -> str:
    """Where a convolutional layer (C, H, W) fired: the count over channels, brightest the most."""
    return _png(heat(spikes.sum(axis=0, dtype=np.float64), tone))


def single_channels(spikes: NDArray[np.uint8], channels: list[int], tone: Tone) -> str:
    """The maps of a few channels side by side, a clear column of pixels between them."""
    highest = _whole(spikes)
    height = spikes.shape[1]
    gap = np.zeros((height, 1, 4), np.uint8)
    tiles: list[NDArray[np.uint8]] = []
    for channel in channels:
        tile = heat(spikes[channel].astype(np.float64), tone, highest)
        opaque = np.full((*tile.shape[:2], 1), 255, np.uint8)
        tiles += [np.concatenate([tile, opaque], axis=2), gap]
    return _png(np.concatenate(tiles[:-1], axis=1))


def strip(spikes: NDArray[np.uint8], tone: Tone) -> str:
    """The spikes of a vector of neurons (C,), in lines of equal length."""
    width = strip_width(len(spikes))
    lines = math.ceil(len(spikes) / width)
    padded = np.zeros(lines * width)
    padded[: len(spikes)] = spikes
    return _png(heat(padded.reshape(lines, width), tone, _whole(spikes)))


def strip_width(neurons: int) -> int:
    """How many neurons stand on one line of a strip: near-square for few, never above 64.

    >>> strip_width(10), strip_width(256), strip_width(9000)
    (10, 16, 64)
    """
    return neurons if neurons <= 16 else min(64, max(16, math.ceil(math.sqrt(neurons))))


def telling_channels(spikes: NDArray[np.uint8], many: int = 3) -> list[int]:
    """The channels of (images, C, H, W) that vary most over positions: they show a shape."""
    variance = spikes.astype(np.float64).var(axis=(2, 3)).mean(axis=0)
    return sorted(np.argsort(-variance, kind="stable")[:many].tolist())


def heat(
    counts: NDArray[np.float64], tone: Tone, highest: float | None = None
) -> NDArray[np.uint8]:
    """Counts as colours from near black over the row's colour to near white."""
    top = max(highest if highest is not None else float(counts.max(initial=0)), 1.0)
    level = np.clip(counts / top, 0, 1)
    middle = tuple(int(tone.dark[i : i + 2], 16) for i in (1, 3, 5))
    at, colors = (0.0, MIDDLE, 1.0), np.array([DARK, middle, HOT], dtype=np.float64)
    bands = [np.interp(level, at, colors[:, band]) for band in range(3)]
    return np.stack(bands, axis=-1).round().astype(np.uint8)


def _whole(spikes: NDArray[np.uint8]) -> float:
    """The level at which a neuron that fires its most is drawn in the row's own colour."""
    return max(int(spikes.max(initial=0)), 1) / MIDDLE


def _png(pixels: NDArray[np.uint8]) -> str:
    out = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
