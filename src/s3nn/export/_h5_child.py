"""Read an HDF5 file of plain arrays and text into a stream, in a process that may die of it.

    python _h5_child.py FILE MOST_BYTES MOST_ITEMS

The HDF5 library is C, and a damaged file can crash it, hang it or make it ask for any amount of
memory.  Here the process has a limit of memory and of time, no library is loaded for what the file
asks (filters), and no other file is read for it (links, external and virtual data).  Sizes are
checked before anything is read.  Nothing is imported but h5py and numpy.

Stdout: a line of JSON, ``{"items": [[names, dtype, shape, bytes], ...]}`` or ``{"error": ...}``,
then the bytes of all arrays one after the other.  ``names`` leads from the root to the item; text
has the dtype ``text`` and is a JSON list.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

KINDS = "biufSO"  # of dtype.kind; O is text of any length, checked
DEPTH = 8
CPU_S = 60
FILTERS = {"gzip", "shuffle", "fletcher32", "lzf"}


class RefusedError(Exception):
    """Why a file is not read."""


def main(path: str, most_bytes: int, most_items: int) -> None:
    _limit(most_bytes)
    os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # load no filter from any folder
    import h5py

    items: list[list[Any]] = []
    contents: list[bytes] = []
    try:
        with h5py.File(path, "r") as file:
            _walk(h5py, file, [], items, contents, most_bytes, most_items)
    except RefusedError as error:
        _answer({"error": str(error)})
        return
    except Exception as error:  # h5py raises whatever the C library says, in many classes
        _answer({"error": f"HDF5 cannot read it ({type(error).__name__})"})
        return
    _answer({"items": items})
    for content in contents:
        sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _limit(most_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows; the parent's limit of time is left
        return
    memory = 3 * most_bytes + 2**31
    for kind, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))


def _answer(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(what).encode() + b"\n")
    sys.stdout.buffer.flush()


def _walk(
    h5py: Any,
    group: Any,
    where: list[str],
    items: list[list[Any]],
    contents: list[bytes],
    most_bytes: int,
    most_items: int,
) -> None:
    if len(where) > DEPTH:
        raise RefusedError(f"its groups are more than {DEPTH} deep")
    for name in group:
        path = [*where, str(name)]
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise RefusedError(f"{_shown(path)} is a link to somewhere else")
        item = group[name]
        items.append([path, "group", [], 0])
        if len(items) > most_items:
            raise RefusedError(f"it has more than {most_items} entries")
        if isinstance(item, h5py.Group):
            _walk(h5py, item, path, items, contents, most_bytes, most_items)
        elif isinstance(item, h5py.Dataset):
            left = most_bytes - sum(map(len, contents))
            items[-1], content = _read(h5py, item, path, left)
            contents.append(content)
        else:
            raise RefusedError(f"{_shown(path)} is neither a group nor an array")


def _shown(path: list[str]) -> str:
    return "/".join(path).encode("ascii", "backslashreplace").decode()[:80]


def _read(h5py: Any, item: Any, names: list[str], left: int) -> tuple[list[Any], bytes]:
    path = _shown(names)
    if item.shape is None or item.dtype.kind not in KINDS or item.dtype.fields:
        raise RefusedError(f"{path} holds {item.dtype}, neither numbers nor text")
    if item.external or item.is_virtual:
        raise RefusedError(f"{path} keeps its values in another file")
    if not set(item._filters) <= FILTERS:
        raise RefusedError(f"{path} is packed in a way that is not known")
    if len(item.shape) > DEPTH or item.size * item.dtype.itemsize > left:
        raise RefusedError(f"{path} has the shape {item.shape}, which is too large")
    if item.dtype.kind in "OS":
        if item.dtype.kind == "O" and h5py.check_string_dtype(item.dtype) is None:
            raise RefusedError(f"{path} holds {item.dtype}, neither numbers nor text")
        values = item[()]
        flat = [values] if item.shape == () else values.reshape(-1).tolist()
        texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in flat]
        content = json.dumps(texts).encode()
        if len(content) > left:
            raise RefusedError(f"{path} holds too much text")
        return [names, "text", list(item.shape), len(content)], content
    values = item[()]
    plain = values.astype(values.dtype.newbyteorder("<"))
    content = plain.tobytes()
    return [names, plain.dtype.str, list(item.shape), len(content)], content


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
