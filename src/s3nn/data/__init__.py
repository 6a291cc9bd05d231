"""Data sets: one file each.  ``load`` gives any of them, described, checked and split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s3nn.data._event_frames import Framing
from s3nn.data._measure import checksum, mean_and_std
from s3nn.data._on_disk import Stream
from s3nn.data._recorded import Recorded
from s3nn.data._splits import count_or_share, few_labels, hold_out
from s3nn.data.base import DataSet, DataSpec, Measured, Places, Source, Split
from s3nn.data.batches import Batches, normalise
from s3nn.data.images import check_images, read_image
from s3nn.errors import UsageError
from s3nn.registry import DATA_SETS

__all__ = [
    "Batches",
    "DataSet",
    "DataSpec",
    "Source",
    "Split",
    "Stream",
    "check_images",
    "count_or_share",
    "few_labels",
    "load",
    "normalise",
    "read_image",
]


def load(
    name: str,
    *,
    folder: Path | str | None = None,
    validation: int | float | None = None,
    download: bool = True,
    cache: Path | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    crop: int | None = None,
    frames: int | None = None,
    frames_by: str = "time",
    frames_clip: int = 255,
) -> DataSet:
    """The data set called ``name``, in three splits: train, validation and test.

    Parameters
    ----------
    name: a registry name, ``folder:PATH`` for your own images, one folder a class,
        ``shards:PATH`` for what `s3nn shard` wrote of them, whose train images stay on disk, or
        ``events:PATH`` for your own recordings of events, one folder a class.
    folder: where the original files of the named data set lie; looked into before anything else.
    validation: how many train images (int) or which share of them (float) to hold out; by default
        the last 5,000 of Fashion-MNIST and MNIST, and a stratified tenth elsewhere.
    download: whether OpenML may be asked for what is not on this machine.
    cache: where downloads are kept; by default ``s3nn`` under ``$XDG_CACHE_HOME`` or ``~/.cache``.
    seed: which stratified images go to validation.  It never moves an image into or out of test.
    size: (H, W) to which the images of ``folder:PATH`` are resized; by default they must agree.
    crop: pixels a side to which those of ``shards:PATH`` are cut and resized; by default 224.
    frames: how many frames a recording of events is cut into, for data sets of events only.
    frames_by: "time" for frames that last equally long, "count" for frames of as many events.
    frames_clip: counts of events above it are cut to it.

    Data sets without a test set (digits, and a folder without ``train/`` and ``test/``) are split
    60/20/20, stratified, with the same test images whatever the seed.

    Raises ``DataError`` where files are missing, damaged or do not fit; ``UsageError`` for an
    unknown name or a bad option.

    >>> digits = load("digits")
    >>> digits.spec.shape, digits.spec.sizes
    ((1, 8, 8), {'train': 1079, 'validation': 359, 'test': 359})
    """
    framing = None if frames is None else Framing(frames, frames_by, frames_clip)
    source = _source(name, folder, size, crop, framing)
    places = _places(name, folder, cache, download)
    raw = source.read(places)
    for split, called in ((raw.train, "train"), (raw.validation, "validation"), (raw.test, "test")):
        if split is not None:
            split.check(f"the {called} part of {source.name}", source.shape, source.classes)
    train, held, test = hold_out(raw, source, validation, seed)
    measured = raw.measured
    if measured is None:
        measured = Measured(*mean_and_std(train.images), checksum((train, held, test)))
    spec = DataSpec(
        name=source.name,
        shape=source.shape,
        classes=source.classes,
        mean=measured.mean,
        std=measured.std,
        licence=source.licence,
        source=raw.source,
        checksum=measured.checksum,
        sizes={"train": len(train), "validation": len(held), "test": len(test)},
    )
    return DataSet(spec, train, held, test)


def _source(
    name: str,
    folder: Path | str | None,
    size: tuple[int, int] | None,
    crop: int | None,
    framing: Framing | None,
) -> Source:
    kind, colon, path = name.partition(":")
    if size is not None and kind != "folder":
        raise UsageError(f"size={size} is for folder:PATH; the images of {name} keep their size")
    if crop is not None and kind != "shards":
        raise UsageError(f"crop={crop} is for shards:PATH; the images of {name} are not cut")
    part: Any = DATA_SETS.get(kind if kind in _OWN else name)
    options: dict[str, Any] = {}
    if issubclass(part, Recorded):
        if framing is None:
            raise UsageError(
                f"{name} has recordings of events: say how many frames each is cut into, such as "
                "--data.frames 10"
            )
        options["framing"] = framing
    elif framing is not None:
        raise UsageError(
            f"frames={framing.frames} is for recordings of events; {name} has images, which are "
            "not cut into frames"
        )
    if kind not in _OWN:
        published: Source = part(**options)
        return published
    if bool(colon and path) == (folder is not None):
        raise UsageError(
            f"data set {name!r} with folder={str(folder)!r}: name {_OWN[kind]} once, as {kind}:PATH"
        )
    if kind == "folder":
        options["size"] = size
    if kind == "shards":
        options["crop"] = crop
    own: Source = part(path or folder, **options)
    return own


# Data sets of the user's own, which have a place instead of a name.
_OWN = {
    "folder": "your images' folder",
    "shards": "the folder of your shards",
    "events": "the folder of your recordings",
}


def _places(name: str, folder: Path | str | None, cache: Path | None, download: bool) -> Places:
    if folder is None or name in _OWN:
        return Places(None, cache, download)
    if not Path(folder).is_dir():
        raise UsageError(f"folder={str(folder)!r} for {name} is not a folder")
    return Places(Path(folder), cache, download)


def __getattr__(name: str) -> Any:
    return DATA_SETS.attribute(name)
