"""Which image files a folder has, by part and class.  No file is opened here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from s3nn.data._pillow import EXTENSIONS
from s3nn.data.base import Split
from s3nn.errors import DataError, UsageError

PARTS = ("train", "validation", "test")
NAMED = 10  # classes in an error message


class Listing(Split):
    """A split of which only the files' paths and the labels, int64 (N,), are known.

    >>> files = Listing([Path("a/1.png"), Path("b/2.png")], torch.tensor([0, 1]))
    >>> files[torch.tensor([1])].paths
    (PosixPath('b/2.png'),)
    """

    paths: tuple[Path, ...]

    def __init__(self, paths: Sequence[Path], labels: Tensor) -> None:
        vars(self).update(paths=tuple(paths), labels=labels)

    def __getitem__(self, index: Tensor | slice) -> Self:
        picked = torch.arange(len(self))[index].tolist()
        return type(self)([self.paths[number] for number in picked], self.labels[index])

    def __repr__(self) -> str:
        return f"Listing({len(self)} files)"


def find_folder(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_dir():
        raise UsageError(f"there is no folder {str(path)!r}: give the folder of your images")
    return path


def find_parts(path: Path) -> list[str]:
    """Which of train, validation and test ``path`` is divided into; none if it has classes."""
    names = [folder.name for folder in _sub_folders(path)]
    parts = [name for name in names if name in PARTS and _sub_folders(path / name)]
    if parts and (not {"train", "test"} <= set(parts) or len(parts) < len(names)):
        raise DataError(
            f"{path} has the folders {', '.join(names)}: a data set in parts has train, test and, "
            "if you like, validation, each with class folders, and nothing else beside them"
        )
    return parts


def find_classes(top: Path) -> tuple[str, ...]:
    """The names of the class folders in ``top``, sorted; at least two."""
    classes = tuple(folder.name for folder in _sub_folders(top))
    if len(classes) < 2:
        raise DataError(
            f"{top} has {len(classes)} class folder(s), at least two are needed: put the "
            "images of each class into a folder named after it"
        )
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{str(top)!r} has a class folder whose name {name!r} is not UTF-8: rename it"
            ) from None
    return classes


def list_part(
    top: Path, classes: Sequence[str], files_of: Callable[[Path], list[Path]] | None = None
) -> Listing:
    """The files of ``top``/CLASS, class by class; ``classes`` are those of train.

    ``files_of`` gives those of a class; by default its images.
    """
    paths: list[Path] = []
    labels: list[int] = []
    number = {name: label for label, name in enumerate(classes)}
    for folder in _sub_folders(top):
        if folder.name not in number:
            known = ", ".join(classes[:NAMED]) + (", ..." if len(classes) > NAMED else "")
            raise DataError(f"{folder} is a class that train has not (it has {known})")
    for folder in _sub_folders(top):
        files = (files_of or image_files)(folder)
        paths += files
        labels += [number[folder.name]] * len(files)
    return Listing(paths, torch.tensor(labels, dtype=torch.int64))


def image_files(folder: Path) -> list[Path]:
    """The image files of a class, by name; ``DataError`` where there are none."""
    return named_files(folder, EXTENSIONS, "images")


def named_files(folder: Path, extensions: Sequence[str], what: str) -> list[Path]:
    """The files in ``folder`` with one of ``extensions``, by name; ``DataError`` without any."""
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in extensions and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise DataError(
            f"{folder} has no {what} (files named {', '.join(extensions)}): add some, or remove "
            "the folder"
        )
    return paths


def _sub_folders(top: Path) -> list[Path]:
    return sorted(
        (path for path in top.iterdir() if path.is_dir() and not path.name.startswith(".")),
        key=lambda path: path.name,
    )
