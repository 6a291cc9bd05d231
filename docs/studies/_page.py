"""What the tables of studies have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table in Markdown; columns are set to the right, but for the first ``words`` of them."""
    rule = "|---" * words + "|---:" * (len(heads) - words) + "|"
    return "\n".join([_line(heads), rule, *map(_line, rows)])


def page(what: str, heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A sentence and a table."""
    return f"{capital(what)}\n\n{grid(heads, rows, words)}"


def capital(text: str) -> str:
    """As a sentence begins.

    >>> capital("one inference of mlp")
    'One inference of mlp'
    """
    return text[0].upper() + text[1:]


def spread(measured: dict[str, Any], scale: float = 1) -> str:
    """A mean and the half of its interval.

    >>> spread({"mean": 0.98765, "ci95": 0.01}, 100)
    '98.77 ± 1.00'
    """
    half = measured["ci95"]
    around = "" if half is None else f" ± {scale * half:.2f}"
    return f"{scale * measured['mean']:.2f}{around}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
