"""The original files of CIFAR-10 and CIFAR-100, in their binary and their Python version.

Binary: records of one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 3,072
bytes: 32x32 red, green, blue.  Python: a pickled dictionary with the same rows under ``data`` and
a list under ``labels`` or ``fine_labels``; ``_pickle.py`` reads it without running what it says.
Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from s3nn.data._pickle import read_batch
from s3nn.data.base import Split
from s3nn.errors import DataError

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """How a data set lies in its files.

    Fields
    ------
    train, test: the names of the files, without the ``.bin`` of the binary version.
    folders: the folders into which the published archives unpack.
    label_bytes: label bytes before each binary record; the last of them is the class.
    label_key: the labels' key in the Python version.
    """

    train: tuple[str, ...]
    test: str
    folders: tuple[str, str]
    label_bytes: int
    label_key: str

    def in_words(self) -> str:
        names = ", ".join((*self.train, self.test))
        return f"{names}, all with .bin (binary version) or all without (Python version), unpacked"


def find_cifar(layout: Layout, folder: Path) -> tuple[Path, ...] | None:
    """The train files and the test file, in ``folder`` or in the archive's folder within it."""
    for place in (folder, *(folder / name for name in layout.folders)):
        for suffix in (".bin", ""):
            paths = tuple(place / f"{name}{suffix}" for name in (*layout.train, layout.test))
            if all(path.is_file() for path in paths):
                return paths
    return None


def read_cifar(layout: Layout, paths: tuple[Path, ...]) -> tuple[Split, Split]:
    """Train and test of the files that ``find_cifar`` found."""
    parts = [_read_file(layout, path) for path in paths]
    train_rows = np.concatenate([rows for rows, _ in parts[:-1]])
    train_labels = np.concatenate([labels for _, labels in parts[:-1]])
    return _split(train_rows, train_labels), _split(*parts[-1])


def _split(rows: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    images = np.ascontiguousarray(rows).reshape(-1, *SHAPE)
    return Split(torch.from_numpy(images), torch.from_numpy(labels))


def _read_file(layout: Layout, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        data = bytearray(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path} ({error}): fetch it again") from error
    if not data:
        raise DataError(f"{path} is empty: fetch it again")
    if path.suffix != ".bin":
        return read_batch(data, path, layout.label_key, PIXELS)
    record = layout.label_bytes + PIXELS
    if len(data) % record:
        raise DataError(
            f"{path} has {len(data)} bytes, not a multiple of the {record} of one image: it is cut "
            "short or belongs to another data set, fetch it again"
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)
    return rows[:, layout.label_bytes :], rows[:, layout.label_bytes - 1].astype(np.int64)
