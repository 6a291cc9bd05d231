"""Splits whose images are not in memory: never, or not yet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from s3nn.data._crops import middle
from s3nn.data._shards import Shard, decode_sample, read_samples
from s3nn.data.base import Shape, Split
from s3nn.errors import DataError, UsageError


class Stream(Split):
    """A train split too large for memory: shards, which ``StreamedBatches`` reads epoch by epoch.

    It has a length and no tensors: ``images`` and ``labels`` are a ``UsageError``.

    Fields
    ------
    folder, shards: the archives, in the order they were written.
    shape: (C, H, W) of what is cut out of an image for training.
    classes: how many there are.
    """

    folder: Path
    shards: tuple[Shard, ...]
    shape: Shape
    classes: int

    def __init__(self, folder: Path, shards: tuple[Shard, ...], shape: Shape, classes: int) -> None:
        vars(self).update(folder=folder, shards=shards, shape=shape, classes=classes)

    def __len__(self) -> int:
        return sum(shard.images for shard in self.shards)

    def first(self, number: int) -> Tensor:
        """The first images of the shards, cut in their middle as those of other splits are."""
        found: list[NDArray[np.uint8]] = []
        for shard in self.shards:
            path = self.folder / shard.name
            for sample in islice(read_samples(path, shard.images), number - len(found)):
                found.append(middle(decode_sample(sample, path, self.classes), self.shape[1]))
            if len(found) == number:
                break
        return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()

    def __getattr__(self, name: str) -> Any:
        if name in ("images", "labels"):
            raise UsageError(
                f"the train images of {self.folder} are a stream of {len(self)}, not a tensor in "
                "memory: read them with s3nn.data.stream.StreamedBatches, or use another split"
            )
        raise AttributeError(f"a Stream has no {name!r}")

    def __getitem__(self, index: Tensor | slice) -> Any:
        return self.images[index]

    def __repr__(self) -> str:
        return f"Stream({len(self)} images in {len(self.shards)} shards of {self.folder})"

    def check(self, called: str, shape: Shape, classes: tuple[str, ...]) -> None:
        """``DataError`` if there are no images or they are cut to another shape.

        Labels are checked as they are read.
        """
        if len(self) == 0 or tuple(shape) != tuple(self.shape):
            raise DataError(
                f"{called} streams {len(self)} images of shape {self.shape}, expected {shape}"
            )


class Unread(Split):
    """A split that ``read`` brings into memory when its images or labels are first looked at.

    The test images of a run are looked at once, when it is trained: until then, and in the
    processes that only train, they take no memory and no time.
    """

    def __init__(self, number: int, read: Callable[[], Split]) -> None:
        vars(self).update(_number=number, _read=read)

    _number: int
    _read: Callable[[], Split]

    def __len__(self) -> int:
        return self._number

    def __getattr__(self, name: str) -> Any:
        if name not in ("images", "labels"):
            raise AttributeError(f"an Unread split has no {name!r}")
        split = self._read()
        vars(self).update(images=split.images, labels=split.labels)
        return vars(self)[name]

    def __getitem__(self, index: Tensor | slice) -> Any:
        return Split(self.images[index], self.labels[index])

    def __repr__(self) -> str:
        return f"Unread({len(self)} images)"

    def check(self, called: str, shape: Shape, classes: tuple[str, ...]) -> None:
        """Nothing is read for this: ``read`` checks what it finds."""
        if len(self) == 0:
            raise DataError(f"{called} has no images")
