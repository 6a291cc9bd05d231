"""What the study says of its rows, and what it claims."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from s3nn.config import Run
from s3nn.report.interval import measure
from s3nn.report.schema import Result
from sstdp_run.rows import RELU, SSTDP

PRICES = "float32_45nm"
BARS = {"digits_sstdp": 0.95, "fashion_sstdp": 0.85}
MEANS = ("spikes", "spikes_a_neuron", "times_apart_in_steps", "tied", "silent")


def summary(
    recipe: str, row: str, runs: list[Run], results: list[Result], looks: list[dict[str, Any]]
) -> dict[str, Any]:
    """The entry of a recipe's row, over its seeds."""
    rows, run = [result.rows[0] for result in results], runs[0]
    entry: dict[str, Any] = {
        "recipe": recipe,
        "data": run.data.name,
        "row": row,
        "neuron": run.model.neuron,
        "steps": run.model.steps,
        "epochs": run.fit.epochs,
        "seeds": [run.seed for run in runs],
        "accuracy": asdict(measure([r.accuracy.mean for r in rows])),
        "validation_accuracy": asdict(measure([r.validation_accuracy.mean for r in rows])),
        "macs": sum(r.macs for r in rows) / len(rows),
        "acs": sum(r.acs for r in rows) / len(rows),
        "energy_pj": sum(r.energy_pj[PRICES] for r in rows) / len(rows),
        "train_s_per_epoch": sum(r.train_s_per_epoch for r in rows) / len(rows),
    }
    for name in MEANS:
        known = [look[name] for look in looks if name in look]
        entry[name] = sum(known) / len(known) if known else None
    most = [look["most_spikes_a_neuron"] for look in looks if "most_spikes_a_neuron" in look]
    return entry | {"most_spikes_a_neuron": max(most, default=None)}


def shows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims that the rows can decide."""
    found = []
    for row in rows:
        name, value = row["recipe"], row["accuracy"]["mean"]
        if row["row"] == SSTDP and name in BARS:
            bar = BARS[name]
            claim = f"test accuracy of {name}, {row['epochs']} epochs"
            found.append({"claim": claim, "value": value, "bar": bar, "holds": value >= bar})
    spiking = [row for row in rows if row["row"] != RELU]
    most = max(row["most_spikes_a_neuron"] for row in spiking)
    claim = "the most spikes of a neuron for an image, counted step by step"
    found.append({"claim": claim, "value": most, "bar": 1, "holds": most == 1})
    apart = max(row["times_apart_in_steps"] for row in spiking)
    claim = "share of spike times that are others step by step (rounding of 32-bit sums)"
    found.append({"claim": claim, "value": apart, "bar": 1e-3, "holds": apart <= 1e-3})
    return found
