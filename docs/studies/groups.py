"""Accuracy and firing rate of every cell of an ablation."""

from __future__ import annotations

from typing import Any

from studies._page import page, spread


def table(tree: dict[str, Any]) -> str:
    heads = ["cell", "accuracy", "points over s3", "fires"]
    lines: list[list[str]] = []
    for row in tree["rows"]:
        over = "–" if row["over_s3"] is None else spread(row["over_s3"], 1)
        accuracy, rate = (spread(row[name], 100) for name in ("accuracy", "firing_rate"))
        lines.append([row["name"], f"{accuracy} %", over, f"{rate} %"])
    what = f"{tree['what']}, {len(tree['seeds'])} seeds."
    return page(what, heads, lines)
