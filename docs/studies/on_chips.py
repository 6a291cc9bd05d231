"""Test accuracy in software, on chips and with chips in the loop."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from s3nn.report.schema import Measure
from studies._page import page


def table(tree: dict[str, Any]) -> str:
    names = ("ideal", "deployed", "longer", "in the loop", "moved")
    heads = ["network", "steps", *names]
    lines: list[list[str]] = []
    for network in dict.fromkeys(row["network"] for row in tree["on_chips"]):
        rows = {row["name"]: row for row in tree["on_chips"] if row["network"] == network}
        cells = [units.accuracy_text(Measure(**rows[name]["accuracy"])) for name in names]
        lines.append([network, str(rows["ideal"]["steps"]), *cells])
    return page(f"{tree['what']}.", heads, lines)
