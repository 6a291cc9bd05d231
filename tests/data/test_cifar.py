import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from s3nn.data import load
from s3nn.errors import DataError

TRAIN = [f"data_batch_{number}" for number in range(1, 6)]


def rows_and_labels(rng: np.random.Generator, number: int, classes: int):
    rows = rng.integers(0, 256, (number, 3072), dtype=np.uint8)
    return rows, (np.arange(number) % classes).tolist()


def binary(rows: np.ndarray, *labels: list[int]) -> bytes:
    heads = np.stack([np.array(each, dtype=np.uint8) for each in labels], axis=1)
    return np.concatenate([heads, rows], axis=1).tobytes()


@pytest.fixture
def cifar10(tmp_path: Path, rng: np.random.Generator):
    """The same five times 20 train and 10 test images, in the binary and the Python version."""
    for name in (*TRAIN, "test_batch"):
        rows, labels = rows_and_labels(rng, 10 if name == "test_batch" else 20, 10)
        for folder in ("bin", "py"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "bin" / f"{name}.bin").write_bytes(binary(rows, labels))
        batch = {"data": rows, "labels": labels, "batch_label": name, "filenames": ["x.png"]}
        (tmp_path / "py" / name).write_bytes(pickle.dumps(batch, protocol=2))
    return tmp_path


def test_both_versions_of_cifar10_are_the_same_images(cifar10: Path) -> None:
    from_binary, from_python = (load("cifar10", folder=cifar10 / kind) for kind in ("bin", "py"))
    assert from_binary.spec == from_python.spec
    assert from_binary.spec.sizes == {"train": 90, "validation": 10, "test": 10}
    assert from_binary.spec.shape == (3, 32, 32)
    assert torch.equal(from_binary.train.images, from_python.train.images)


def test_the_planes_are_red_green_blue_row_by_row(cifar10: Path) -> None:
    record = (cifar10 / "bin" / "test_batch.bin").read_bytes()[:3073]
    image = load("cifar10", folder=cifar10 / "bin").test.images[0]
    for channel, row, column in ((0, 0, 1), (1, 2, 3), (2, 31, 31)):
        assert image[channel, row, column] == record[1 + channel * 1024 + row * 32 + column]


def test_the_folder_around_the_unpacked_archive_will_do(cifar10: Path) -> None:
    (cifar10 / "bin").rename(cifar10 / "cifar-10-batches-bin")
    (cifar10 / "py").rename(cifar10 / "elsewhere")
    assert load("cifar10", folder=cifar10).spec.sizes["test"] == 10


@pytest.mark.parametrize("kind", ["bin", "py"])
def test_cifar100_takes_the_fine_labels(kind: str, tmp_path: Path, rng) -> None:
    for name, number in (("train", 1000), ("test", 100)):
        rows, fine = rows_and_labels(rng, number, 100)
        coarse = [label % 20 for label in fine]
        if kind == "bin":
            (tmp_path / f"{name}.bin").write_bytes(binary(rows, coarse, fine))
        else:
            batch = {"data": rows, "coarse_labels": coarse, "fine_labels": fine}
            (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    data = load("cifar100", folder=tmp_path)
    assert data.test.labels.tolist() == list(range(100))
    assert data.spec.classes[:2] == ("apple", "aquarium_fish")
    assert (len(set(data.spec.classes)), sorted(data.spec.classes)) == (100, [*data.spec.classes])


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "is empty"), (bytes(3072), "has 3072 bytes, not a multiple of the 3073")],
)
def test_a_damaged_binary_file_is_named(data: bytes, says: str, cifar10: Path) -> None:
    (cifar10 / "bin" / "data_batch_3.bin").write_bytes(data)
    with pytest.raises(DataError, match=rf"data_batch_3\.bin {says}"):
        load("cifar10", folder=cifar10 / "bin")


def test_a_label_outside_the_classes_is_named(cifar10: Path, rng: np.random.Generator) -> None:
    rows, _ = rows_and_labels(rng, 1, 10)
    (cifar10 / "bin" / "data_batch_1.bin").write_bytes(binary(rows, [200]))
    with pytest.raises(DataError, match=r"train part of cifar10 has the label 200 \(image 0\)"):
        load("cifar10", folder=cifar10 / "bin")


def test_a_folder_without_the_files_says_which_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data_batch_1, .*test_batch, all with \.bin"):
        load("cifar10", folder=tmp_path)
