"""Measured energy of networks that were trained within budgets."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["recipe", "seed", "budget", "takes", "of it", "accuracy", "fires"]
    lines: list[list[str]] = []
    for cell in tree["budgets"]:
        cells = [
            *(cell["recipe"], str(cell["seed"]), units.energy_text(cell["budget_pj"])),
            *(units.energy_text(cell["energy_pj"]), units.percent_text(cell["share_of_budget"])),
            *(f"{100 * cell['accuracy']:.2f} %", units.percent_text(cell["firing_rate"])),
        ]
        lines.append(cells)
    what = f"Energy an inference on the test split, by {tree['prices']}."
    return page(what, heads, lines)
