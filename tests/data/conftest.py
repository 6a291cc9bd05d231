"""Small data files in the published formats, written from scratch."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from s3nn.data.base import Places

Writer = Callable[..., Path]


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def write_idx() -> Writer:
    def write(path: Path, array: NDArray[np.uint8]) -> Path:
        data = idx_bytes(array)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def mnist_folder(tmp_path: Path, write_idx: Writer, rng: np.random.Generator) -> Path:
    """40 train and 10 test images in MNIST's files, one of them gzipped."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for stem, number in (("train", 40), ("t10k", 10)):
        pixels = rng.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", pixels)
        write_idx(folder / f"{stem}-labels-idx1-ubyte", np.arange(number, dtype=np.uint8) % 10)
    return folder


@pytest.fixture
def nowhere(tmp_path: Path) -> Places:
    return Places(folder=None, cache=tmp_path / "cache", download=True)
