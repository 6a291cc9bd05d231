"""Packs: a trained network as one folder or zip that travels.

    pack("runs/first", "first.zip")       write one
    open_pack("first.zip")                read and check one: anyone's, nothing in it is executed
    load("first.zip")                     its network, as s3nn.open_run gives that of a run folder

What a pack holds is said in docs/packs.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3nn.packs.read import Pack, load, open_pack
    from s3nn.packs.write import pack

__all__ = ["Pack", "load", "open_pack", "pack"]

_HOME = {"Pack": "read", "load": "read", "open_pack": "read", "pack": "write"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
