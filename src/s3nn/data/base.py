"""What a data set is: its description, its three splits, and where its images come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor

from s3nn.errors import DataError
from s3nn.files import cache_root

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class DataSpec:
    """What stands beside every result: enough to name the data set and to tell it from another.

    Fields
    ------
    name: the registry name (``fashion_mnist``), or ``folder:NAME`` for the user's own images.
    shape: (C, H, W) of one image; C is 1 (grey) or 3 (RGB).
    classes: the names of the classes; label i means ``classes[i]``.
    mean, std: one number a channel, of pixels scaled to 0..1, over the train split only.
    licence: under which terms the images come.
    source: where they were found, in words; never a path of this machine.
    checksum: ``sha256:...`` over the images and labels of all splits, in order.
    sizes: the number of images of ``train``, ``validation`` and ``test``.
    """

    name: str
    shape: Shape
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    source: str
    checksum: str
    sizes: dict[str, int]


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 of shape (N, C, H, W), and their labels, int64 of shape (N,).

    >>> len(Split(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.arange(5)))
    5
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise DataError(
                "the images of a split must be uint8 of shape (N, C, H, W), "
                f"got {self.images.dtype} of shape {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.ndim != 1:
            raise DataError(
                "the labels of a split must be int64 of shape (N,), "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )
        if len(self.images) != len(self.labels):
            raise DataError(
                f"a split has {len(self.images)} images and {len(self.labels)} labels: "
                "each image needs one label"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> Self:
        """The images and labels that ``index`` picks (a slice, or int64 of shape (M,))."""
        return type(self)(self.images[index], self.labels[index])

    def first(self, number: int) -> Tensor:
        """The first ``number`` images, or all if there are fewer: uint8 (M, C, H, W)."""
        return self.images[:number]

    def check(self, called: str, shape: Shape, classes: tuple[str, ...]) -> None:
        """``DataError`` unless there are images, all of ``shape``, with labels of ``classes``."""
        if len(self) == 0:
            raise DataError(f"{called} has no images")
        if tuple(self.images.shape[1:]) != tuple(shape):
            raise DataError(
                f"{called} has images of shape {tuple(self.images.shape[1:])}, "
                f"expected (C, H, W) = {tuple(shape)}"
            )
        outside = (self.labels < 0) | (self.labels >= len(classes))
        if bool(outside.any()):
            first = int(outside.nonzero()[0])
            raise DataError(
                f"{called} has the label {int(self.labels[first])} (image {first}), outside the "
                f"{len(classes)} classes: labels go from 0 to {len(classes) - 1}"
            )


@dataclass(frozen=True)
class DataSet:
    """A described data set in three splits.

    Train on ``train``, choose on ``validation``, read ``test`` once.  A ``train`` that is a
    ``Stream`` lies on disk: it counts its images and has no tensors.
    """

    spec: DataSpec
    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        for split in ("train", "validation", "test"):
            called = f"the {split} split of {self.spec.name}"
            getattr(self, split).check(called, self.spec.shape, self.spec.classes)


@dataclass(frozen=True)
class Places:
    """Where a source may look: the user's folder first, and a cache, filled if ``download``."""

    folder: Path | None
    cache: Path | None
    download: bool

    def kept(self, name: str) -> Path:
        """Where the cache keeps ``name``; of no cache that was named, s3nn's own."""
        return (self.cache or cache_root() / "s3nn") / name


@dataclass(frozen=True)
class Measured:
    """What is computed from the images of a data set: ``mean``, ``std``, ``checksum`` of its spec.

    A source whose images do not fit into memory brings it along.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str


AnySplit = TypeVar("AnySplit", bound=Split)


@dataclass(frozen=True)
class Raw(Generic[AnySplit]):
    """What a source found, before s3nn holds out a validation split.

    ``test`` or ``validation`` is ``None`` where the data set itself has none; ``source`` says in
    words where it was found; ``measured`` is ``None`` where s3nn is to measure the images.
    """

    train: AnySplit
    test: AnySplit | None
    validation: AnySplit | None
    source: str
    measured: Measured | None = None


class Source(ABC):
    """One data set: what it is, and how its original files become tensors.

    A new data set is one new file in this folder: a subclass that sets the fields below, listed in
    the file's ``__all__``.

    Fields
    ------
    name, classes, shape, licence: as in ``DataSpec``.
    validation_last: how many of the last train images are held out for validation by convention;
        ``None`` holds out a stratified tenth.
    """

    name: str
    classes: tuple[str, ...]
    shape: Shape
    licence: str
    validation_last: int | None = None

    @abstractmethod
    def read(self, places: Places) -> Raw:
        """The images as they were published, from the first of the places that has them."""
