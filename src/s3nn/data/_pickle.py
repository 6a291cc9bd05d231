"""Reading the pickled batches of CIFAR's Python version without trusting them.

``pickle.load`` runs whatever a file names.  Here the only names that a file may use stand for the
inert recorders below: no numpy object is built from the file's own description of it, and anything
else is refused.  The recorded dtype, shape and bytes are then checked and read as plain bytes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s3nn.errors import DataError


class _Record:
    """What a pickle said about an object: the arguments it was made from and its state."""

    def __init__(self, *made_from: Any) -> None:
        self.made_from = made_from
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _make_record(*made_from: Any) -> _Record:
    return _Record(*made_from)


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into an old pickle."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Record,
    ("numpy", "dtype"): _make_record,
    ("numpy.core.multiarray", "_reconstruct"): _make_record,
    ("numpy._core.multiarray", "_reconstruct"): _make_record,
    ("_codecs", "encode"): _encode,
}


class _RestrictedUnpickler(pickle.Unpickler):
    """Plain containers, numbers, text, and records of numpy arrays; nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return _ALLOWED[module, name]


def read_batch(
    data: bytearray, path: Path, label_key: str, pixels: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Rows uint8 (N, pixels) and labels int64 (N,) of one pickled batch."""
    try:
        batch = _RestrictedUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # Damaged pickles raise nearly anything.
        raise DataError(
            f"cannot read {path} as a CIFAR batch ({error}): it is damaged or not the original "
            "file, fetch it again"
        ) from error
    if not isinstance(batch, dict):
        raise DataError(f"{path} holds a {type(batch).__name__}, not the dictionary of a batch")
    rows = _rows(_entry(batch, "data", path), path, pixels)
    labels = _entry(batch, label_key, path)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{path} has {label_key!r} that are not a list of integers")
    if len(labels) != len(rows):
        raise DataError(f"{path} has {len(rows)} images and {len(labels)} labels: fetch it again")
    return rows, np.array(labels, dtype=np.int64)


def _entry(batch: dict[Any, Any], key: str, path: Path) -> Any:
    for spelling in (key.encode(), key):
        if spelling in batch:
            return batch[spelling]
    shown = ", ".join(sorted(repr(key) for key in batch))
    raise DataError(f"{path} has no {key!r} (it has {shown}): it belongs to another data set")


def _rows(array: Any, path: Path, pixels: int) -> NDArray[np.uint8]:
    """The recorded array, if it is uint8 (N, pixels) in C order with just as many bytes."""
    try:
        _version, shape, dtype, column_major, content = array.state
        kind = dtype.made_from[0]
        kind = kind.decode() if isinstance(kind, bytes) else kind
        fits = (
            (kind, len(shape), shape[1]) == ("u1", 2, pixels)
            and type(shape[0]) is int
            and shape[0] > 0
            and isinstance(content, bytes)
            and len(content) == shape[0] * pixels
        )
    except (AttributeError, TypeError, ValueError, IndexError, UnicodeDecodeError):
        fits = False
    if not fits:
        raise DataError(f"{path} has 'data' that is not a uint8 array of shape (N, {pixels})")
    plain = np.frombuffer(bytearray(content), np.uint8)
    if column_major:  # numpy then writes the bytes of the transpose.
        return np.ascontiguousarray(plain.reshape(pixels, shape[0]).T)
    return plain.reshape(shape)
