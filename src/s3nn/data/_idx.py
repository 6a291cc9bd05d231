"""The IDX format of MNIST and Fashion-MNIST.

A file is two zero bytes, the element type (8: unsigned byte), the number of axes, each axis' size
as a big-endian uint32, and the elements; plain or gzipped.  Source: Y. LeCun, C. Cortes,
C. Burges, "The MNIST database of handwritten digits", file formats.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from s3nn.data.base import Split
from s3nn.errors import DataError

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def find_idx(folder: Path) -> tuple[Path, ...] | None:
    """The four files of ``NAMES`` in ``folder``, plain or .gz; ``None`` unless all are there."""
    found = [
        next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
        for name in NAMES
    ]
    paths = tuple(path for path in found if path is not None)
    return paths if len(paths) == len(NAMES) else None


def read_idx_splits(paths: tuple[Path, ...]) -> tuple[Split, Split]:
    """Train and test of four IDX files in the order of ``NAMES``."""
    train_images, train_labels, test_images, test_labels = paths
    return _read_split(train_images, train_labels), _read_split(test_images, test_labels)


def _read_split(images_path: Path, labels_path: Path) -> Split:
    images, labels = read_idx(images_path, axes=3), read_idx(labels_path, axes=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path.name} has {len(images)} images and {labels_path.name} "
            f"{len(labels)} labels: fetch both again from the same source"
        )
    return Split(torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels.astype(np.int64)))


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array of ``axes`` axes in an IDX file of unsigned bytes, plain or gzipped."""
    data = _read_bytes(path)
    head = 4 + 4 * axes
    if len(data) < head:
        raise DataError(
            f"{path} has {len(data)} bytes, fewer than the {head} of an IDX header: "
            "it is empty or cut short, fetch it again"
        )
    magic = int.from_bytes(data[:4], "big")
    if magic != 0x0800 + axes:
        raise DataError(
            f"{path} starts with the magic number {magic:#010x}, expected {0x0800 + axes:#010x} "
            f"(unsigned bytes, {axes} axes): it is not the file its name says"
        )
    shape = struct.unpack(f">{axes}I", data[4:head])
    if len(data) - head != math.prod(shape):
        raise DataError(
            f"{path} announces {'x'.join(map(str, shape))} = {math.prod(shape)} bytes of data and "
            f"has {len(data) - head}: it is damaged, fetch it again"
        )
    if math.prod(shape) == 0:
        raise DataError(f"{path} announces the shape {shape}: there is nothing in it")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def _read_bytes(path: Path) -> bytearray:
    """All of ``path``, writable so that a tensor may share it."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as handle:
                return bytearray(handle.read())
        return bytearray(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path} ({error}): fetch it again") from error
