"""Data that cannot be right, as a user meets it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from s3nn.cli import main


def write_idx(folder: Path, prefix: str, labels: list[int]) -> None:
    """The original files of one split: images of 28x28 and their labels."""
    images = np.zeros((len(labels), 28, 28), np.uint8)
    header = struct.pack(">IIII", 0x803, len(labels), 28, 28)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = struct.pack(">II", 0x801, len(labels))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(header + bytes(labels))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    write_idx(folder, "train", [*range(10)] * 4)
    write_idx(folder, "t10k", [*range(10)])
    return folder


def train(files: Path, out: Path) -> int:
    words = ["train", "fashion_cnn7_small", "--data.folder", str(files), "--data.validation", "10"]
    return main([*words, "--out", str(out)])


def test_labels_outside_the_classes(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_idx(files, "train", [*range(9), 12] * 4)
    assert train(files, tmp_path / "run") == 2
    err = capsys.readouterr().err
    assert "label 12" in err
    assert "10 classes" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_an_empty_or_truncated_file(
    files: Path, tmp_path: Path, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:kept])
    assert train(files, tmp_path / "run") == 2
    err = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_file(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "t10k-labels-idx1-ubyte").unlink()
    assert train(files, tmp_path / "run") == 2
    assert "t10k-labels-idx1-ubyte" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
