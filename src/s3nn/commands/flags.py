"""Flags from dataclasses, by tyro."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import tyro

Flags = TypeVar("Flags")


def parse(
    kind: type[Flags], command: str, words: Sequence[str], default: Flags | None = None
) -> Flags:
    """The flags of ``s3nn command``; tyro explains a wrong one and exits with 2."""
    prog, description, args = f"s3nn {command}", kind.__doc__, list(words)
    if default is None:
        return tyro.cli(kind, prog=prog, description=description, args=args)
    return tyro.cli(kind, prog=prog, description=description, args=args, default=default)
