import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s3nn.data import load
from s3nn.errors import DataError, UsageError


def paint(path: Path, value: int, width: int = 5, height: int = 4, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height), value if mode == "L" else (value, 0, 255)).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Ten images of each of three classes; the pixels of class i are 10 i + the image's number."""
    for label, name in enumerate(("bird", "cat", "dog")):
        for number in range(10):
            paint(tmp_path / "pets" / name / f"{number}.png", 10 * label + number)
    return tmp_path / "pets"


def test_a_folder_a_class(pets: Path) -> None:
    (pets / "cat" / "notes.txt").write_text("left alone")
    (pets / ".hidden").mkdir()
    data = load(f"folder:{pets}")
    spec = data.spec
    assert (spec.name, spec.shape, spec.classes) == (
        "folder:pets",
        (1, 4, 5),
        ("bird", "cat", "dog"),
    )
    assert spec.sizes == {"train": 18, "validation": 6, "test": 6}
    assert str(pets.parent) not in repr(spec)
    for split in (data.train, data.validation, data.test):
        assert (split.images[:, 0, 0, 0] // 10).tolist() == split.labels.tolist()
        assert np.bincount(split.labels).tolist() == [len(split) // 3] * 3
    assert load("folder", folder=pets).spec == spec


@pytest.mark.parametrize("with_validation", [True, False])
def test_train_and_test_folders_are_kept_apart(pets: Path, with_validation: bool) -> None:
    parts = ("train", "test", "validation") if with_validation else ("train", "test")
    for part in parts:
        (pets.parent / "own" / part).parent.mkdir(exist_ok=True)
        (pets.parent / "own" / part).mkdir()
        for name in ("bird", "cat"):
            for number in range(10):
                paint(pets.parent / "own" / part / name / f"{number}.jpg", 7, mode="RGB")
    data = load(f"folder:{pets.parent / 'own'}")
    held = 20 if with_validation else 2
    assert data.spec.sizes == {
        "train": 20 if with_validation else 18,
        "validation": held,
        "test": 20,
    }
    assert data.spec.shape == (3, 4, 5)


def test_the_first_image_that_differs_is_named(pets: Path) -> None:
    paint(pets / "cat" / "3.png", 1, width=9)
    paint(pets / "dog" / "3.png", 1, width=7)
    says = (
        r"cat/3\.png is 9x4 grey, .*bird/0\.png is 5x4 grey: make them agree, or pass --data.size"
    )
    with pytest.raises(DataError, match=says):
        load(f"folder:{pets}")
    assert load(f"folder:{pets}", size=(6, 8)).spec.shape == (1, 6, 8)


def test_grey_and_colour_do_not_mix(pets: Path) -> None:
    paint(pets / "cat" / "3.png", 1, mode="RGB")
    with pytest.raises(DataError, match=r"cat/3\.png is 5x4 RGB.*one colour mode"):
        load(f"folder:{pets}", size=(4, 5))


def test_a_broken_image_is_named(pets: Path) -> None:
    (pets / "dog" / "2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot read .*dog/2\.png as an image"):
        load(f"folder:{pets}")


def test_folders_that_make_no_data_set_say_why(pets: Path) -> None:
    (pets / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty has no images"):
        load(f"folder:{pets}")
    (pets / "empty").rmdir()
    with pytest.raises(DataError, match=r"cat has 0 class folder\(s\)"):
        load(f"folder:{pets / 'cat'}")
    with pytest.raises(UsageError, match=r"size=\(0, 3\)"):
        load(f"folder:{pets}", size=(0, 3))


def test_a_class_that_train_has_not_is_named(pets: Path) -> None:
    own = pets.parent / "own"
    own.mkdir()
    pets.rename(own / "train")
    paint(own / "test" / "fish" / "0.png", 1)
    with pytest.raises(DataError, match=r"fish is a class that train has not"):
        load(f"folder:{own}")


@pytest.mark.parametrize("parts", [("train",), ("train", "test", "val"), ("test", "validation")])
def test_parts_that_are_not_understood_are_named(parts: tuple[str, ...], tmp_path: Path) -> None:
    for part in parts:
        for name in ("bird", "cat"):
            paint(tmp_path / part / name / "0.png", 1)
    with pytest.raises(DataError, match=f"has the folders {', '.join(sorted(parts))}: a data set"):
        load(f"folder:{tmp_path}")


def test_a_class_may_be_called_train(pets: Path) -> None:
    (pets / "dog").rename(pets / "train")
    assert load(f"folder:{pets}").spec.classes == ("bird", "cat", "train")


@pytest.mark.parametrize("size", [(0, 4), (4,), (4.5, 4)])
def test_a_size_is_two_sides_in_pixels(pets: Path, size: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"is not \(H, W\) in pixels"):
        load(f"folder:{pets}", size=size)


def test_a_class_whose_name_is_no_utf8_is_named(pets: Path) -> None:
    try:
        (pets / os.fsdecode(b"\xff\xfe")).mkdir()
    except OSError:
        pytest.skip("this file system has names of UTF-8 only")
    with pytest.raises(DataError, match="is not UTF-8: rename it"):
        load(f"folder:{pets}")


def test_a_home_is_a_home(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pets.parent))
    assert load(f"folder:~/{pets.name}").spec.classes == load(f"folder:{pets}").spec.classes
