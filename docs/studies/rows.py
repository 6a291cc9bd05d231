"""The columns of a comparison that fit a page; report.md has them all."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from s3nn.report.schema import Result
from s3nn.report.scores import score_of
from studies._page import grid


def table(tree: dict[str, Any]) -> str:
    result = Result.from_json(tree)
    prices = next(iter(result.price_lists))
    full = next((row.energy_pj[prices] for row in result.rows if not row.spikes), None)
    score = score_of(result)
    heads = ["row", "steps", score.name, "fires", "MACs", "ACs", f"energy ({prices})", "weights"]
    lines: list[list[str]] = []
    for row in result.rows:
        energy = units.energy_text(row.energy_pj[prices])
        if full is not None and row.energy_pj[prices] != full:
            energy += f" ({units.percent_text(row.energy_pj[prices] / full)})"
        cells = [
            *(row.name, str(row.steps), score.text(row.score)),
            *(units.percent_text(row.firing_rate), units.count_text(row.macs)),
            *(units.count_text(row.acs), energy, units.bytes_text(row.weight_bits / 8)),
        ]
        lines.append(cells)
    return grid(heads, lines)
