from pathlib import Path

import pytest
import torch

import s3nn.data
from s3nn.data import Source, load
from s3nn.data.fashion_mnist import DEBIAN
from s3nn.errors import DataError, UsageError
from s3nn.registry import DATA_SETS

PUBLISHED = sorted(set(DATA_SETS.names()) - {"events", "folder", "shards"})
EVENTS = ("dvs_gesture", "n_mnist")


def test_the_registry_finds_the_data_sets_and_nothing_else() -> None:
    known = {"cifar10", "cifar100", "digits", "fashion_mnist", "folder", "mnist", "shards"}
    assert known <= set(DATA_SETS.names())
    assert all(issubclass(DATA_SETS.get(name), Source) for name in DATA_SETS.names())
    assert s3nn.data.FashionMNIST is DATA_SETS.get("fashion_mnist")


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_data_set_says_what_it_is(name: str) -> None:
    source = DATA_SETS.get(name)()
    assert source.name == name
    assert len(set(source.classes)) == len(source.classes) > 1
    assert source.shape[0] in (1, 3) or name in EVENTS
    assert source.licence
    assert "Source:" in (source.__doc__ or "")


def test_digits_are_described_and_split() -> None:
    data = load("digits")
    spec = data.spec
    assert spec.sizes == {"train": 1079, "validation": 359, "test": 359}
    assert spec.checksum == load("digits").spec.checksum != load("digits", seed=1).spec.checksum
    assert data.train.images.max() == 255
    assert spec.mean == pytest.approx([data.train.images.double().mean().item() / 255])
    assert set(data.test.labels.tolist()) == set(range(10))
    assert torch.equal(data.test.images, load("digits", seed=1, validation=50).test.images)


def test_mnists_validation_is_its_last_images(mnist_folder: Path) -> None:
    data = load("mnist", folder=str(mnist_folder), validation=15)
    assert data.spec.sizes == {"train": 25, "validation": 15, "test": 10}
    assert data.validation.labels.tolist() == [label % 10 for label in range(25, 40)]
    with pytest.raises(DataError, match="40 images to train on, too few to hold out 5000"):
        load("mnist", folder=mnist_folder)


def test_images_of_another_size_are_named(mnist_folder: Path, write_idx) -> None:
    small = torch.zeros(10, 14, 14, dtype=torch.uint8).numpy()
    (mnist_folder / "t10k-images-idx3-ubyte.gz").unlink()
    write_idx(mnist_folder / "t10k-images-idx3-ubyte", small)
    with pytest.raises(DataError, match=r"test part of mnist has images of shape \(1, 14, 14\)"):
        load("mnist", folder=mnist_folder, validation=4)


@pytest.mark.skipif(not DEBIAN[0].is_dir(), reason="needs the package dataset-fashion-mnist")
def test_fashion_mnist_is_the_published_one() -> None:
    spec = load("fashion_mnist", download=False).spec
    assert spec.sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert spec.mean == pytest.approx([0.2860], abs=5e-4)  # 0.2860 and 0.3530 are those of 60,000.
    assert spec.std == pytest.approx([0.3530], abs=5e-4)
    assert spec.checksum == (
        "sha256:22593a793459de87368920941aa0962a139688ddf9b5fbe684c600dba6e2db66"
    )


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("fashion", {}, "did you mean 'fashion_mnist'"),
        ("folder", {}, "name your images' folder once"),
        ("folder:", {}, "name your images' folder once"),
        ("folder:/no/such", {}, "there is no folder '/no/such'"),
        ("folder:a", {"folder": "b"}, "name your images' folder once"),
        ("mnist", {"folder": "/no/such"}, "'/no/such' for mnist is not a folder"),
        ("mnist", {"size": (8, 8)}, r"size=\(8, 8\) is for folder:PATH"),
        ("shards:a", {"size": (8, 8)}, r"size=\(8, 8\) is for folder:PATH"),
        ("mnist", {"crop": 8}, "crop=8 is for shards:PATH"),
        ("shards", {}, "name the folder of your shards once, as shards:PATH"),
        ("digits", {"folder": "."}, "digits come with scikit-learn"),
    ],
)
def test_a_request_that_cannot_be_right_says_why(name: str, options, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load(name, **options)


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert s3nn.data._places("mnist", None, None, True).kept("a") == tmp_path / "s3nn" / "a"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    places = s3nn.data._places("mnist", None, None, True)
    assert places.kept("a") == tmp_path / ".cache" / "s3nn" / "a"
