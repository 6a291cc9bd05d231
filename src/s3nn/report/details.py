"""What details.npz holds: a few test images, the spikes they caused, the images got wrong."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s3nn.errors import RunFolderError
from s3nn.report.schema import Row

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class LayerSpikes:
    """Spikes of one layer of neurons, summed over steps: (images, C, H, W) or (images, C)."""

    layer: str
    spikes: Bytes


@dataclass(frozen=True)
class Pictures:
    """What a network was shown of the test images, or made of them, and the PSNR of each."""

    images: Bytes
    psnr_db: NDArray[np.float32]


@dataclass(frozen=True)
class Details:
    """Arrays beside a result; every one may be missing."""

    images: Bytes = field(default_factory=lambda: np.zeros((0, 1, 1, 1), np.uint8))
    labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    spikes: Mapping[str, Sequence[LayerSpikes]] = field(default_factory=dict)
    confused: Mapping[str, Bytes] = field(default_factory=dict)
    shown: Pictures | None = None
    pictures: Mapping[str, Pictures] = field(default_factory=dict)


def read_details(folder: Path, rows: Sequence[Row]) -> Details:
    """Read ``folder``/details.npz; without the file, an empty ``Details``.

    Nothing is unpickled.  Keys: images, labels, spikes/<row>/<number>/<layer>, confused/<row>, and
    of networks that answer with images shown, shown_psnr, pictures/<row>, psnr/<row>.
    """
    path = Path(folder) / "details.npz"
    if not path.exists():
        return Details()
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunFolderError(
            f"{path} cannot be read as arrays ({error}): run it again, or remove the file"
        ) from None
    images = arrays.get("images", Details().images)
    _check(path, "images", images, (4,), len(images))
    spikes = {row.name: _spikes_of(row.name, arrays) for row in rows}
    for name, layers in spikes.items():
        for layer in layers:
            _check(path, f"spikes/{name}/{layer.layer}", layer.spikes, (2, 4), len(images))
    confused = {}
    for row in rows:
        if (pictures := arrays.get(f"confused/{row.name}")) is not None:
            _check(path, f"confused/{row.name}", pictures, (4,), len(row.confused))
            confused[row.name] = pictures
    labels = arrays.get("labels", np.zeros(len(images))).astype(np.int64)
    shown = _pictures(path, arrays, "shown", "shown_psnr", len(images))
    pictures = {
        row.name: found
        for row in rows
        if (found := _pictures(path, arrays, *_keys(row.name), len(images))) is not None
    }
    spikes = {n: s for n, s in spikes.items() if s}
    return Details(images, labels, spikes, confused, shown, pictures)


def merge_details(details: Sequence[Details], names: Sequence[Mapping[str, str]]) -> Details:
    """The details of merged results, their rows renamed as ``merging.new_names`` says.

    Spikes and pictures are kept only where they were caused by the first result's images.
    """
    first = next((d for d in details if len(d.images)), Details())
    spikes: dict[str, Sequence[LayerSpikes]] = {}
    confused: dict[str, Bytes] = {}
    pictures: dict[str, Pictures] = {}
    for each, called in zip(details, names, strict=True):
        confused.update({called[name]: pictures for name, pictures in each.confused.items()})
        if np.array_equal(each.images, first.images):
            spikes.update({called[name]: layers for name, layers in each.spikes.items()})
            pictures.update({called[name]: found for name, found in each.pictures.items()})
    return Details(first.images, first.labels, spikes, confused, first.shown, pictures)


def _spikes_of(row: str, arrays: Mapping[str, Bytes]) -> list[LayerSpikes]:
    prefix = f"spikes/{row}/"
    numbered = []
    for key, array in arrays.items():
        number, _, layer = key.removeprefix(prefix).partition("/")
        if key.startswith(prefix) and number.isdigit():
            numbered.append((int(number), LayerSpikes(layer, array)))
    return [layer for _, layer in sorted(numbered, key=lambda pair: pair[0])]


def _keys(row: str) -> tuple[str, str]:
    return f"pictures/{row}", f"psnr/{row}"


def _pictures(
    path: Path, arrays: Mapping[str, Any], key: str, psnr: str, images: int
) -> Pictures | None:
    if key not in arrays or psnr not in arrays:
        return None
    _check(path, key, arrays[key], (4,), images)
    if arrays[psnr].shape != (images,):
        raise RunFolderError(
            f"{path}: {psnr} has shape {arrays[psnr].shape}, but should have one number for each "
            f"of {images} images: run it again"
        )
    return Pictures(arrays[key], arrays[psnr])


def _check(path: Path, key: str, array: Bytes, dimensions: tuple[int, ...], images: int) -> None:
    if array.dtype != np.uint8 or array.ndim not in dimensions or len(array) != images:
        raise RunFolderError(
            f"{path}: {key} is {array.dtype} {array.shape}, but should be uint8 with "
            f"{' or '.join(map(str, dimensions))} dimensions, {images} images: run it again"
        )
