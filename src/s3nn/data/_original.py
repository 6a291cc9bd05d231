"""Where a published data set is looked for: the user's folder, the system, the cache, OpenML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from s3nn.data._idx import NAMES, find_idx, read_idx_splits
from s3nn.data._openml import OpenML, read_openml
from s3nn.data.base import Places, Raw, Source, Split
from s3nn.errors import DataError

Files = TypeVar("Files")


def read_published(
    source: Source,
    openml: OpenML,
    places: Places,
    *,
    find: Callable[[Path], Files | None],
    read: Callable[[Files], tuple[Split, Split]],
    wanted: str,
    system: tuple[Path, str] | None = None,
) -> Raw:
    """``source`` from the first place that has it.

    Parameters
    ----------
    find: the data set's original files in a folder, ``None`` where they are not all there.
    read: train and test of these files.
    wanted: in words, which files a folder must have.
    system: where an operating system's package puts them, and that package in words.
    """
    if places.folder is not None:
        files = find(places.folder)
        if files is None:
            raise DataError(
                f"{places.folder} has not the original files of {source.name}: {wanted}"
            )
        return Raw(*read(files), validation=None, source="original files in the user's folder")
    package = ""
    if system is not None:
        files = find(system[0])
        if files is not None:
            return Raw(*read(files), validation=None, source=system[1])
        package = f"install {system[1]}, or "
    instead = f"{package}pass --data.folder with its original files ({wanted})"
    return read_openml(source, openml, places, instead)


def read_published_idx(
    source: Source, openml: OpenML, places: Places, system: tuple[Path, str] | None = None
) -> Raw:
    """A data set that was published as MNIST was: four IDX files."""
    return read_published(
        source,
        openml,
        places,
        find=find_idx,
        read=read_idx_splits,
        wanted=f"{', '.join(NAMES)}, each plain or .gz",
        system=system,
    )
