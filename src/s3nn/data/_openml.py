"""Data sets from OpenML, kept in a local cache with a checksum beside them.

A cache entry is a folder with ``data.npz`` (plain arrays, read with ``allow_pickle=False``) and
``data.npz.sha256``.  It is written under a temporary name and renamed once, whole: a download that
fails or is interrupted leaves no entry, and two processes that download at once agree.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from s3nn.data.base import Places, Raw, Source, Split
from s3nn.errors import DataError


@dataclass(frozen=True)
class OpenML:
    """A data set on openml.org: one row an image, the train images first.

    Fields
    ------
    number: OpenML's identifier (https://www.openml.org/d/NUMBER).
    rows: how many images it has in all.
    test_counts: how many of each class are in the published test set.  The last ``sum`` of them
        rows must have just these counts, which holds the assumed order of the rows to the facts.
    """

    number: int
    rows: int
    test_counts: tuple[int, ...]


def read_openml(source: Source, openml: OpenML, places: Places, instead: str) -> Raw:
    """``source`` from the cache, or downloaded into it; ``instead`` is the advice on failure."""
    entry = places.kept(source.name)
    if entry.exists():
        images, labels = _recall(entry)
    else:
        if not places.download:
            raise DataError(
                f"{source.name} is not on this machine and downloads are off: allow them, or "
                f"{instead}"
            )
        images, labels = _download(source, openml, instead)
        _store(entry, images, labels)
    cut = len(labels) - sum(openml.test_counts)
    whole = Split(torch.from_numpy(images), torch.from_numpy(labels))
    where = f"OpenML data set {openml.number}, kept in the local cache"
    return Raw(whole[:cut], whole[cut:], validation=None, source=where)


def _download(
    source: Source, openml: OpenML, instead: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import fetch_openml

    # pandas parses faster and in less memory; scikit-learn's own parser is always there.
    parser = "pandas" if find_spec("pandas") else "liac-arff"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its retries; the error below says it all
            table: Any = fetch_openml(
                data_id=openml.number, as_frame=False, parser=parser, cache=False
            )
    except (OSError, HTTPException, ValueError, ImportError) as error:
        raise DataError(
            f"cannot download {source.name} (OpenML data set {openml.number}: "
            f"{type(error).__name__}: {error}): try again with a network, or {instead}"
        ) from error
    pixels, target = np.asarray(table.data), np.asarray(table.target)
    expected = (openml.rows, int(np.prod(source.shape)))
    if pixels.shape != expected or target.shape != expected[:1]:
        raise DataError(
            f"OpenML data set {openml.number} came with images {pixels.shape} and labels "
            f"{target.shape}, expected {expected} and {expected[:1]} for {source.name}: {instead}"
        )
    images = pixels.astype(np.uint8)
    if not np.array_equal(images, pixels):
        raise DataError(
            f"OpenML data set {openml.number} has pixels that are not integers 0..255: {instead}"
        )
    labels = _labels(target, source.classes, openml)
    counts = np.bincount(labels[-sum(openml.test_counts) :], minlength=len(source.classes))
    if tuple(counts.tolist()) != openml.test_counts:
        raise DataError(
            f"the last {sum(openml.test_counts)} rows of OpenML data set {openml.number} have "
            f"{counts.tolist()} images a class, the test set of {source.name} has "
            f"{list(openml.test_counts)}: its rows were reordered, {instead}"
        )
    return images.reshape(-1, *source.shape), labels


def _labels(target: NDArray[Any], classes: Sequence[str], openml: OpenML) -> NDArray[np.int64]:
    """Labels 0.. of a target that holds class numbers or names."""
    known = {name: label for label, name in enumerate(classes)}
    known |= {str(label): label for label in range(len(classes))}
    labels = np.empty(len(target), dtype=np.int64)
    for value in np.unique(target):
        name = str(int(value)) if isinstance(value, (np.number, float)) else str(value)
        if name not in known:
            raise DataError(
                f"OpenML data set {openml.number} has the label {name!r}, which is none of the "
                f"{len(classes)} classes"
            )
        labels[target == value] = known[name]
    return labels


def _store(entry: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=f".{entry.name}-") as scratch:
            fresh = Path(scratch) / "entry"
            fresh.mkdir()
            np.savez(fresh / "data.npz", images=images, labels=labels)
            (fresh / "data.npz.sha256").write_text(_sha256(fresh / "data.npz") + "\n")
            try:
                fresh.rename(entry)
            except OSError:
                if not entry.exists():  # Otherwise another process finished the same entry first.
                    raise
    except OSError as error:
        raise DataError(
            f"cannot keep {entry.name} under {entry.parent} ({error}): "
            "free some space or set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def _recall(entry: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    path = entry / "data.npz"
    try:
        expected = (entry / "data.npz.sha256").read_text().strip()
        if _sha256(path) != expected:
            raise DataError(
                f"{path} does not match the checksum beside it: it is damaged, remove the folder "
                f"{entry} and load again"
            )
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"cannot read the cache entry {entry} ({error}): remove that folder and load again"
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
