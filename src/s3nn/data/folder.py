"""The user's own images: one folder a class."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from s3nn.data._pillow import EXTENSIONS, decode, size_in_words, to_tensor
from s3nn.data.base import Places, Raw, Source, Split
from s3nn.errors import DataError, UsageError

__all__ = ["Folder"]

PARTS = ("train", "validation", "test")


class Folder(Source):
    """Your own images: PATH/CLASS/IMAGE, or PATH/train/CLASS/IMAGE with PATH/test beside it.

    Classes are the folders' names, sorted.  All images must be grey or all RGB, and share one size
    unless ``size`` is given.  Beside ``train`` and ``test`` there may be ``validation``; without
    any of them the images are split 60/20/20.  (A class may be called ``train``: the folder of that
    name is a part only if it has folders in it.)  Hidden files, and files that are not named as
    images, are left alone.

    Parameters
    ----------
    path: the folder.
    size: (H, W) to resize to, by antialiased bilinear interpolation; ``None`` resizes nothing.
    """

    licence = "the user's own images"

    def __init__(self, path: Path | str, size: tuple[int, int] | None = None) -> None:
        self.path, self.size = Path(path), size
        if not self.path.is_dir():
            raise UsageError(f"there is no folder {str(path)!r}: give the folder of your images")
        if size is not None and not (len(size) == 2 and min(size) >= 1):
            raise UsageError(f"size={size} is not (H, W) in pixels, both at least 1")
        self.name = f"folder:{self.path.resolve().name}"
        self.parts = _parts(self.path)
        top = self.path / "train" if self.parts else self.path
        self.classes = tuple(folder.name for folder in _sub_folders(top))
        if len(self.classes) < 2:
            raise DataError(
                f"{top} has {len(self.classes)} class folder(s), at least two are needed: put the "
                "images of each class into a folder named after it"
            )
        self._first = _images(top / self.classes[0])[0]
        self._model = self._read_image(self._first)
        self.shape = (len(self._model.getbands()), self._model.height, self._model.width)

    def read(self, places: Places) -> Raw:
        source = "the user's folder of images"
        if not self.parts:
            return Raw(self._read_part(self.path), test=None, validation=None, source=source)
        splits = {part: self._read_part(self.path / part) for part in self.parts}
        return Raw(splits["train"], splits["test"], splits.get("validation"), source)

    def _read_part(self, top: Path) -> Split:
        folders = _sub_folders(top)
        for folder in folders:
            if folder.name not in self.classes:
                raise DataError(
                    f"{folder} is a class that train has not (it has {', '.join(self.classes)})"
                )
        files = [(path, folder.name) for folder in folders for path in _images(folder)]
        images = torch.empty((len(files), *self.shape), dtype=torch.uint8)
        for index, (path, _) in enumerate(files):
            images[index] = to_tensor(self._read_image(path, like=self._model))
        number = {name: label for label, name in enumerate(self.classes)}
        labels = torch.tensor([number[name] for _, name in files], dtype=torch.int64)
        return Split(images, labels)

    def _read_image(self, path: Path, like: Image.Image | None = None) -> Image.Image:
        image = decode(path)
        if self.size is not None:
            height, width = self.size
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        if like is not None and (image.mode, image.size) != (like.mode, like.size):
            fix = "save all in one colour mode"
            if image.size != like.size:
                fix = "make them agree, or give a size=(H, W) to resize to"
            raise DataError(
                f"{path} is {size_in_words(image)}, {self._first} is {size_in_words(like)}: {fix}"
            )
        return image


def _parts(path: Path) -> list[str]:
    """Which of train, validation and test ``path`` is divided into; none if it has classes."""
    names = [folder.name for folder in _sub_folders(path)]
    parts = [name for name in names if name in PARTS and _sub_folders(path / name)]
    if parts and (not {"train", "test"} <= set(parts) or len(parts) < len(names)):
        raise DataError(
            f"{path} has the folders {', '.join(names)}: a data set in parts has train, test and, "
            "if you like, validation, each with class folders, and nothing else beside them"
        )
    return parts


def _sub_folders(top: Path) -> list[Path]:
    return sorted(
        (path for path in top.iterdir() if path.is_dir() and not path.name.startswith(".")),
        key=lambda path: path.name,
    )


def _images(folder: Path) -> list[Path]:
    """The image files of a class, by name; ``DataError`` where there are none."""
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise DataError(
            f"{folder} has no images (files named {', '.join(EXTENSIONS)}): add some, or remove "
            "the folder"
        )
    return paths
