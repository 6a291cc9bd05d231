"""The largest differences from authors' code, over seeds."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["neuron", "outputs apart", "gradients apart"]
    lines: list[list[str]] = []
    for neuron in dict.fromkeys(row["neuron"] for row in tree["parents"]):
        rows = [row for row in tree["parents"] if row["neuron"] == neuron]
        most = [max(row[name] for row in rows) for name in ("outputs", "gradients")]
        lines.append([neuron, *(f"{value:.1g}" for value in most)])
    what = "Largest differences, of the largest value."
    return page(what, heads, lines)
