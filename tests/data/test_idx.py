import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from s3nn.data._idx import find_idx, read_idx, read_idx_splits
from s3nn.errors import DataError


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=5)),
    name=st.sampled_from(["file", "file.gz"]),
)
def test_what_was_written_is_read(array: np.ndarray, name: str, tmp_path: Path, write_idx) -> None:
    read = read_idx(write_idx(tmp_path / name, array), axes=array.ndim)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, *range(8)])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has 0 bytes, fewer than the 16 of an IDX header"),
        (IMAGES[:10], "has 10 bytes"),
        (IMAGES[:-1], "announces 2x2x2 = 8 bytes of data and has 7"),
        (IMAGES + b"\0", "has 9"),
        (b"\0\0\x08\x01" + IMAGES[4:], "magic number 0x00000801, expected 0x00000803"),
        (b"\0\0\x08\x03" + bytes(12), r"announces the shape \(0, 0, 0\)"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces 4294967295x4294967295x4294967295"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte.*{says}"):
        read_idx(path, axes=3)


@pytest.mark.parametrize("cut", [0, 5, 30])
def test_a_damaged_gzip_file_is_named(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(IMAGES)[:cut] or b"not gzip")
    with pytest.raises(DataError, match=r"labels\.gz.*fetch it again"):
        read_idx(path, axes=3)


def test_all_four_files_are_needed(mnist_folder: Path) -> None:
    paths = find_idx(mnist_folder)
    assert paths is not None
    train, test = read_idx_splits(paths)
    assert tuple(train.images.shape) == (40, 1, 28, 28)
    assert test.labels.tolist() == list(range(10))
    paths[3].unlink()
    assert find_idx(mnist_folder) is None


def test_images_without_labels_are_named(mnist_folder: Path, write_idx) -> None:
    write_idx(mnist_folder / "train-labels-idx1-ubyte", np.zeros(7, dtype=np.uint8))
    paths = find_idx(mnist_folder)
    assert paths is not None
    with pytest.raises(DataError, match=r"has 40 images and train-labels-idx1-ubyte 7 labels"):
        read_idx_splits(paths)
