"""What is computed from the images: mean and standard deviation a channel, and the checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from s3nn.data.base import Split

_CHUNK = 4096


def mean_and_std(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 (N, C, H, W), pixels scaled to 0..1.

    Computed from integer sums, so that the result does not depend on the order of the images.  A
    channel that never changes has no scale of its own: its std is given as 1.

    >>> import torch
    >>> mean_and_std(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    pixels = images.numpy()
    histograms = np.zeros((pixels.shape[1], 256), dtype=np.int64)
    for channel, histogram in enumerate(histograms):
        for start in range(0, len(pixels), _CHUNK):
            chunk = pixels[start : start + _CHUNK, channel]
            histogram += np.bincount(chunk.reshape(-1), minlength=256)
    return of_histograms(histograms)


def of_histograms(
    histograms: NDArray[np.int64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``mean_and_std`` of pixels of which ``histograms[channel, value]`` have each value."""
    means, stds = [], []
    values = np.arange(256, dtype=np.int64)
    for histogram in histograms:
        number, total = int(histogram.sum()), int(histogram @ values)
        squares = int(histogram @ values**2)
        variance = (number * squares - total**2) / number**2
        means.append(total / number / 255)
        stds.append(variance**0.5 / 255 if variance > 0 else 1.0)
    return tuple(means), tuple(stds)


def checksum(splits: Iterable[Split]) -> str:
    """``sha256:...`` over shape, images and labels (little-endian int64) of each split in order."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(repr(tuple(split.images.shape)).encode())
        digest.update(split.images.contiguous().numpy().data)
        digest.update(split.labels.numpy().astype("<i8").tobytes())
    return f"sha256:{digest.hexdigest()}"
