"""Data larger than memory: train images stream from shards, the others are decoded once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from s3nn.data._crops import middle
from s3nn.data._on_disk import Stream, Unread
from s3nn.data._shards import Sample, decode_sample, need_webdataset, read_index, read_samples
from s3nn.data.base import Measured, Places, Raw, Source, Split
from s3nn.errors import UsageError

__all__ = ["Shards"]

CROP = 224


class Shards(Source):
    """What `s3nn shard` wrote: train images stream from disk, the others are decoded to memory.

    Train images are cut at random by ``StreamedBatches``.  Of validation and test images the middle
    square, 224/256 of the short side, is resized to ``crop`` pixels a side, when they are first
    looked at.

    Parameters
    ----------
    path: the folder of shards and their index.
    crop: pixels a side of every image that a network sees.
    """

    def __init__(self, path: Path | str, crop: int | None = None) -> None:
        need_webdataset()
        self.path, self.crop = Path(path), CROP if crop is None else crop
        if self.crop < 1:
            raise UsageError(f"crop={crop} is not a side in pixels, at least 1")
        self.index = read_index(self.path)
        self.name = f"shards:{self.path.resolve().name}"
        self.classes, self.licence = self.index.classes, self.index.licence
        self.shape = (self.index.channels, self.crop, self.crop)

    def read(self, places: Places) -> Raw:
        index = self.index
        train = Stream(self.path, index.shards["train"], self.shape, len(self.classes))
        validation, test = (
            Unread(index.sizes[part], partial(self._decode, part))
            for part in ("validation", "test")
        )
        measured = Measured(index.mean, index.std, index.checksum())
        return Raw(train, test, validation, "shards of the user's images", measured)

    def _decode(self, part: str) -> Split:
        number, channels = self.index.sizes[part], self.index.channels
        # Channels last, as Pillow has them: one copy less of what may be gigabytes.
        pixels = np.empty((number, self.crop, self.crop, channels), dtype=np.uint8)
        labels = torch.empty(number, dtype=torch.int64)
        start = 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside of the GIL
            for shard in self.index.shards[part]:
                path = self.path / shard.name
                samples = list(read_samples(path, shard.images))
                decoded = pool.map(partial(self._middle, path), samples)
                for place, (sample, image) in enumerate(zip(samples, decoded, strict=True), start):
                    pixels[place], labels[place] = image, sample.label
                start += len(samples)
        return Split(torch.from_numpy(pixels).permute(0, 3, 1, 2), labels)

    def _middle(self, path: Path, sample: Sample) -> np.ndarray:
        return middle(decode_sample(sample, path, len(self.classes)), self.crop)
