"""Latencies of an inference benchmark on one thread, batch 1."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    alone = [row for row in tree["rows"] if row["threads"] == 1 and row["batch"] == 1]
    heads = ["engine", "µs an image", "of the fastest int8", "accuracy"]
    lines: list[list[str]] = []
    for row in sorted(alone, key=lambda row: row["latency_us"]):
        part = row["ratio_to_fastest_int8"]
        of_int8 = "–" if part is None else f"{part:.2f}"
        accuracy = f"{100 * row['accuracy']:.2f} %"
        lines.append([row["engine"], f"{row['latency_us']:.0f}", of_int8, accuracy])
    what = f"{tree['what']}; batch 1, one thread"
    return page(f"{what}, {tree['host']['cpu']}.", heads, lines)
