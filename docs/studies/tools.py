"""What a network takes on each microcontroller."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["board", "engine", "instructions", "flash, KiB", "RAM, KiB", "accuracy", "exact"]
    lines: list[list[str]] = []
    for row in tree["rows"]:
        sizes = [f"{row[name] / 1024:.1f}" for name in ("flash_bytes", "ram_bytes")]
        cells = [row["board"], row["engine"], f"{row['instructions']:,}", *sizes]
        cells += [f"{100 * row['accuracy']:.2f} %", "yes" if row["exact"] else "no"]
        lines.append(cells)
    what = f"{tree['what']}; {tree['golden_images']} golden images."
    return page(what, heads, lines, words=2)
