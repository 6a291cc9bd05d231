"""What came of each exported file in each tool that reads it."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["network", "numbers", "file", "tool", "images", "flips", "of neurons", "logits apart"]
    heads.append("same class")
    lines: list[list[str]] = []
    for row in tree["conformance"]:
        if row["not_run"] is not None:
            continue
        neurons = sum(row["neurons"].values())
        spikes = (str(row["flipped"]), f"{neurons:,}") if neurons else ("–", "–")
        cells = [row[name] for name in ("network", "form", "file", "tool")]
        cells += [f"{row['images']:,}", *spikes]
        cells += [f"{row['logit_error']:.1g}", f"{100 * row['agreement']:.2f} %"]
        lines.append(cells)
    return page(f"{tree['what']}.", heads, lines, words=4)
