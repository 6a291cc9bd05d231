"""Test accuracy of each row with few labels, and the points it gains over its plain one."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from s3nn.report.schema import Measure
from studies._page import page


def table(tree: dict[str, Any]) -> str:
    rows = {(row["name"], row["labels"]): row for row in tree["few_labels"]}
    gained = {(gain["row"], gain["labels"]): gain for gain in tree["gains"]}
    names, labels = (list(dict.fromkeys(column)) for column in zip(*rows, strict=True))
    heads = ["row", "steps", *(h for n in labels for h in (f"{n:,} labels", "gain, points"))]
    lines: list[list[str]] = []
    for name in names:
        steps = next(str(row["steps"]) for row in rows.values() if row["name"] == name)
        cells = [name, steps]
        for number in labels:
            row, gain = rows.get((name, number)), gained.get((name, number))
            cells.append("–" if row is None else units.accuracy_text(Measure(**row["accuracy"])))
            cells.append("–" if gain is None else _points(gain))
        lines.append(cells)
    return page(f"{tree['what']}.", heads, lines)


def _points(gain: dict[str, Any]) -> str:
    half = "" if gain["ci95"] is None else f" ± {gain['ci95']:.2f}"
    return units.signed_points(gain["mean"] / 100) + half
