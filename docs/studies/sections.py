"""The columns of a training-step benchmark that fit a page, with the most threads."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    section, kept = tree["sections"][-1], {row["name"]: row for row in tree["memory"]}
    heads = ["row", "ms a step", "of ReLU's", "activations, of ReLU's"]
    lines: list[list[str]] = []
    for row in section["rows"]:
        memory = kept[row["name"]]["activations_to_relu"]
        time = [f"{row['median_ms']:.0f}", f"{row['ratio_to_relu']:.2f}"]
        lines.append([row["name"], *time, f"{memory:.2f}"])
    what = f"{tree['what']}; {section['threads']} threads"
    return page(f"{what}, {tree['host']['cpu']}.", heads, lines)
