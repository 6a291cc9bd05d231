"""The largest differences of layers of spike times from their authors' code, over seeds."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["layer", "kernel", "spike times", "weight gradients", "time gradients"]
    lines: list[list[str]] = []
    names = dict.fromkeys((row["layer"], row["kernel"]) for row in tree["spike_times"])
    for layer, kernel in names:
        rows = [r for r in tree["spike_times"] if (r["layer"], r["kernel"]) == (layer, kernel)]
        cells = [layer, kernel]
        for name in ("times_apart", "weight_gradients", "time_gradients"):
            known = [row[name] for row in rows if row[name] is not None]
            cells.append(f"{max(known):.1g}" if known else "–")
        lines.append(cells)
    what = (
        "Share of spike times that differ; largest differences of gradients, of the largest value."
    )
    return page(what, heads, lines, words=2)
