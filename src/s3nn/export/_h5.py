"""HDF5 files from strangers: read by another process, checked, and never executed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from s3nn.errors import UsageError
from s3nn.export import _h5_child
from s3nn.graph.ir import Array

MOST_BYTES, MOST_ITEMS, TIMEOUT_S = 2**30, 20_000, 120
Tree = dict[str, "Tree | Array | str"]


def read_tree(path: Path, most_bytes: int = MOST_BYTES, most_items: int = MOST_ITEMS) -> Tree:
    """A file's groups as dicts, its arrays as arrays and its text as strings.

    The HDF5 library runs in a process of its own with limits of memory and time, so that a file
    that crashes or hangs it is only an error.  Whatever is wrong with a file is a ``UsageError``.
    """
    if not path.is_file():
        raise UsageError(f"{path} is no file: name a NIR file (.nir, HDF5)")
    if find_spec("h5py") is None:
        raise UsageError("reading NIR needs the package h5py: pip install 's3nn[export]'")
    # -I: nothing of the folder this runs in, or of the environment, is imported.
    command = [sys.executable, "-I", _h5_child.__file__, str(path), str(most_bytes)]
    try:
        done = subprocess.run(
            [*command, str(most_items)], capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _damaged(path, f"reading it took more than {TIMEOUT_S} s") from None
    head, _, body = done.stdout.partition(b"\n")
    try:
        said: dict[str, Any] = json.loads(head)
    except ValueError:
        raise _damaged(path, "reading it ended the process that read it") from None
    if "error" in said:
        raise _damaged(path, said["error"])
    if done.returncode or len(body) != sum(item[3] for item in said["items"]):
        raise _damaged(path, "reading it ended the process that read it")
    return _tree(said["items"], body)


def _damaged(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path} is not a NIR file that can be read: {reason}; export it again")


def _tree(items: list[Any], body: bytes) -> Tree:
    tree: Tree = {}
    place = 0
    for names, kind, shape, size in items:
        *groups, name = names
        here = tree
        for group in groups:
            inner = here[group]
            assert isinstance(inner, dict)
            here = inner
        content, place = body[place : place + size], place + size
        if kind == "group":
            here[name] = {}
        elif kind == "text":
            texts = json.loads(content)
            here[name] = texts[0] if not shape else np.array(texts, str).reshape(shape)
        else:
            found = np.frombuffer(content, kind)
            assert found.size == prod(shape)
            here[name] = found.reshape(shape)
    return tree
