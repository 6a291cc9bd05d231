"""Differing logits of compiled networks, a line a network and data set."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    bits = list(dict.fromkeys(row["bits"] for row in tree["exact"]))
    heads = ["data", "model", "test images", *(f"{b} bits" for b in bits)]
    lines: list[list[str]] = []
    found = {(row["data"], row["model"], row["bits"]): row for row in tree["exact"]}
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in tree["exact"]):
        row = found[data, model, bits[0]]
        cells = [data, model, f"{row['images']:,}"]
        cells += [str(found[data, model, b]["logits_apart"]) for b in bits]
        lines.append(cells)
    what = f"Logits that differ, {tree['what']}."
    return page(what, heads, lines, words=2)
