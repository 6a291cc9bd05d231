"""Shards: image files in tar archives that training reads from front to end, and their index.

    index.json           what there is: classes, sizes, mean and std, a checksum a shard
    train-000000.tar     KEY.jpg (or the image in another format) and KEY.cls (its label, in digits)

The archives are WebDataset's, so that its tools read them too.  Only bytes are taken from them, and
decoded as images and digits: nothing in an archive is unpickled.
Source: https://github.com/webdataset/webdataset (the format).
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image

from s3nn.data._pillow import open_upright, to_rgb
from s3nn.decode import decode, encode
from s3nn.errors import DataError, RunFolderError, UsageError

INDEX = "index.json"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Shard:
    """One archive: its file's name, how many images and bytes it has, its SHA-256 in hex."""

    name: str
    images: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """What index.json says.

    Fields
    ------
    format, version: which file this is.
    classes, mean, std, licence: as in ``DataSpec``; mean and std are of ``measured`` train images.
    sizes: the number of images of train, validation and test.
    channels: of every image.
    short_side: the most pixels on the short side of an image.
    seed: of the order of the train images, and of which are held out for validation.
    shards: the archives of each part, in order.
    """

    format: Literal["s3nn shards"]
    version: Literal[1]
    classes: tuple[str, ...]
    sizes: dict[str, int]
    channels: Literal[3]
    short_side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    measured: int
    seed: int
    licence: str
    shards: dict[str, tuple[Shard, ...]]

    def checksum(self) -> str:
        """``sha256:...`` over the classes and the shards' own checksums, part by part."""
        content = [self.classes, {part: [s.sha256 for s in self.shards[part]] for part in PARTS}]
        return f"sha256:{hashlib.sha256(json.dumps(content).encode()).hexdigest()}"

    def to_text(self) -> str:
        return json.dumps(encode(self), indent=1) + "\n"


@dataclass(frozen=True)
class Sample:
    """An image as it lies in a shard: its key, the bytes of its file, its label."""

    key: str
    content: bytes
    label: int


def read_index(folder: Path) -> Index:
    """The index of ``folder``, with every shard there and of the size that the index says."""
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {str(folder)!r}: write one with `s3nn shard IMAGES {folder}`"
        )
    path = folder / INDEX
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        index: Index = decode(Index, tree, "index")
    except FileNotFoundError:
        raise DataError(f"{folder} has no {INDEX}: it is not what `s3nn shard` writes") from None
    except RunFolderError as error:
        raise DataError(f"{path} is not of this version, or damaged: {error}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}): copy it again") from error
    for part in PARTS:
        shards = index.shards.get(part, ())
        counted = sum(shard.images for shard in shards)
        if not counted or counted != index.sizes.get(part):
            raise DataError(
                f"{path} says that {part} has {index.sizes.get(part)} images, and lists shards "
                f"with {counted}: copy it again"
            )
        for shard in shards:
            _check_size(folder, shard)
    return index


def _check_size(folder: Path, shard: Shard) -> None:
    path = folder / shard.name
    if path.parent != folder or not path.is_file():
        raise DataError(f"{folder} lacks the shard {shard.name} that its {INDEX} lists: copy it")
    size = path.stat().st_size
    if size != shard.size_bytes:
        raise DataError(
            f"{path} has {size} bytes, {INDEX} says {shard.size_bytes}: it is damaged or cut "
            "short, copy it again"
        )


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def need_webdataset() -> None:
    if find_spec("webdataset") is None:
        raise UsageError("shards need the package webdataset: pip install 's3nn[stream]'")


def read_samples(path: Path, images: int) -> Iterator[Sample]:
    """The samples of the shard ``path`` in order; ``DataError`` unless there are ``images``."""
    from webdataset.tariterators import group_by_keys, tar_file_expander

    found = 0
    try:
        with path.open("rb") as stream:
            for grouped in group_by_keys(tar_file_expander([{"url": str(path), "stream": stream}])):
                members = {name: part for name, part in grouped.items() if name[:2] != "__"}
                label = members.pop("cls")
                ((_, content),) = members.items()
                found += 1
                yield Sample(grouped["__key__"], content, int(label))
    except (OSError, tarfile.TarError, EOFError, zlib.error, KeyError, ValueError) as error:
        # Behind the first of its arguments webdataset puts the objects that it was at work with.
        why = error.strerror if isinstance(error, OSError) else (*error.args, "")[0]
        raise _damaged(path, f"{type(error).__name__}: {why}") from error
    if found != images:
        raise _damaged(path, f"{found} images, {INDEX} says {images}")


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is damaged ({why}): copy it again, and hold all shards against their checksums "
        f"with `s3nn shard --check {path.parent}`"
    )


def decode_sample(sample: Sample, path: Path, classes: int) -> Image.Image:
    """The image of ``sample`` in mode RGB; a ``DataError`` names it if it or its label is wrong."""
    called = f"image {sample.key} of {path}"
    if not 0 <= sample.label < classes:
        raise DataError(
            f"{called} has the label {sample.label}, outside the {classes} classes: labels go "
            f"from 0 to {classes - 1}"
        )
    return to_rgb(open_upright(BytesIO(sample.content), called), called)
