"""Small data files in the published formats, written from scratch."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from s3nn.data.base import Places
from s3nn.data.sharding import write_shards

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


def paint(path: Path, number: int, size: tuple[int, int] = (24, 20)) -> Path:
    """An image of one colour, whose red says its number whatever is cut out of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (number, 7, 255 - number)).save(path)
    return path


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 train images of two classes (even and odd numbers), 4 for validation and 6 for test."""
    folder = tmp_path_factory.mktemp("photographs") / "images"
    first = 0
    for part, count in (("train", 26), ("validation", 4), ("test", 6)):
        for number in range(first, first + count):
            paint(folder / part / ("even", "odd")[number % 2] / f"{number:03}.png", number)
        first += count
    return folder


@pytest.fixture(scope="session")
def shards(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs in shards of 6 or 7."""
    pytest.importorskip("webdataset")
    out = tmp_path_factory.mktemp("shards") / "small"
    write_shards(photographs, out, per_shard=8)
    return out


@pytest.fixture
def write_atis() -> Writer:
    """Writes events (t, x, y, p) as N-MNIST's files hold them: 8, 8, 1 and 23 bits, big-endian."""

    def write(path: Path, events: list[tuple[int, int, int, int]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        bits = "".join(f"{x:08b}{y:08b}{p:01b}{t:023b}" for t, x, y, p in events)
        path.write_bytes(bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
        return path

    return write


@pytest.fixture
def write_aedat3() -> Writer:
    """Writes packets of events (t, x, y, p) as AEDAT 3.1, after a header of a DVS128."""

    def write(path: Path, *packets: list[tuple[int, int, int, int]], valid: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
        data += b"#Start-Time: 2016-10-27 10:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
        for events in packets:
            number = len(events)
            overflow = events[0][0] >> 31 if events else 0
            data += struct.pack("<HHIIIIII", 1, 1, 8, 4, overflow, number, number, number * valid)
            for t, x, y, p in events:
                word = int(f"{x:015b}{y:015b}{p:01b}{valid:01b}", 2)
                data += struct.pack("<II", word, t & 0x7FFFFFFF)
        path.write_bytes(data)
        return path

    return write
