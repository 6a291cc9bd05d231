"""Memory of a training step against the time steps."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["time steps", "all at once", "recomputed"]
    lines: list[list[str]] = []
    for row in tree["windows"]:
        ratios = (row["whole_to_one_step"], row["recomputed_to_one_step"])
        lines.append([str(row["steps"]), *(f"{ratio:.2f}" for ratio in ratios)])
    what = f"{tree['what']}; memory, of one step's."
    return page(what, heads, lines, words=0)
