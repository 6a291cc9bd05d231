"""The user's own images: one folder a class."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from s3nn.data._listing import find_classes, find_folder, find_parts, image_files, list_part
from s3nn.data._pillow import decode, size_in_words, to_tensor
from s3nn.data.base import Places, Raw, Source, Split
from s3nn.errors import DataError, UsageError

__all__ = ["Folder"]


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
        self.path, self.size = find_folder(Path(path)), size
        if size is not None and not (
            len(size) == 2 and all(isinstance(side, int) and side >= 1 for side in size)
        ):
            raise UsageError(f"size={size} is not (H, W) in pixels, both at least 1")
        self.name = f"folder:{self.path.resolve().name}"
        self.parts = find_parts(self.path)
        top = self.path / "train" if self.parts else self.path
        self.classes = find_classes(top)
        self._first = image_files(top / self.classes[0])[0]
        self._model = self._read_image(self._first)
        self.shape = (len(self._model.getbands()), self._model.height, self._model.width)

    def read(self, places: Places) -> Raw:
        source = "the user's folder of images"
        if not self.parts:
            return Raw(self._read_part(self.path), test=None, validation=None, source=source)
        splits = {part: self._read_part(self.path / part) for part in self.parts}
        return Raw(splits["train"], splits["test"], splits.get("validation"), source)

    def _read_part(self, top: Path) -> Split:
        files = list_part(top, self.classes)
        images = torch.empty((len(files), *self.shape), dtype=torch.uint8)
        for index, path in enumerate(files.paths):
            images[index] = to_tensor(self._read_image(path, like=self._model))
        return Split(images, files.labels)

    def _read_image(self, path: Path, like: Image.Image | None = None) -> Image.Image:
        image = decode(path)
        if self.size is not None:
            height, width = self.size
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        if like is not None and (image.mode, image.size) != (like.mode, like.size):
            fix = "save all in one colour mode"
            if image.size != like.size:
                fix = "make them agree, or pass --data.size H W (size=(H, W)) to resize to"
            raise DataError(
                f"{path} is {size_in_words(image)}, {self._first} is {size_in_words(like)}: {fix}"
            )
        return image
