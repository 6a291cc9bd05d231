"""Accuracy and spikes of networks whose neurons fire once, and of their controls."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from s3nn.report.schema import Measure
from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["data", "row", "steps", "epochs", "accuracy", "spikes", "a neuron", "tied", "silent"]
    heads.append("energy")
    lines: list[list[str]] = []
    for row in tree["races"]:
        shares = (row[name] for name in ("spikes_a_neuron", "tied", "silent"))
        cells = [
            *(row["data"], row["row"], str(row["steps"]), str(row["epochs"])),
            *(units.accuracy_text(Measure(**row["accuracy"])), f"{row['spikes']:.0f}"),
            *("–" if share is None else f"{share:.3f}" for share in shares),
            units.energy_text(row["energy_pj"]),
        ]
        lines.append(cells)
    what = f"{tree['what']}; energy by {tree['prices']}."
    return page(what, heads, lines, words=2)
