"""What a cell reached: its seeds, read from their run folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablation_run.cells import BASE, Cell
from s3nn.report import measure, read_result


def row_of_cell(cell: Cell, folders: Sequence[Path]) -> dict[str, Any]:
    """Accuracies and firing rate on the test images, each with its interval over the seeds.

    ``accuracy`` is of the epoch that validation picked; ``seconds`` is the median epoch's.
    """
    rows = [read_result(folder).rows[0] for folder in folders]
    return {
        **asdict(cell),
        "seeds": [int(folder.name.removeprefix("seed")) for folder in folders],
        "accuracy": asdict(measure([row.accuracy.mean for row in rows])),
        "validation_accuracy": asdict(measure([row.validation_accuracy.mean for row in rows])),
        "firing_rate": asdict(measure([row.firing_rate or 0.0 for row in rows])),
        "epochs": rows[0].epochs,
        "seconds": sum(row.train_s_per_epoch for row in rows) / len(rows),
    }


def with_differences(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with ``over_s3``: points of test accuracy over the base's, paired by seed."""
    base = next((row for row in rows if row["name"] == BASE), None)
    if base is None:
        return [{**row, "over_s3": None} for row in rows]
    theirs = dict(zip(base["seeds"], base["accuracy"]["per_seed"], strict=True))
    found = []
    for row in rows:
        own = zip(row["seeds"], row["accuracy"]["per_seed"], strict=True)
        points = [100 * (value - theirs[seed]) for seed, value in own if seed in theirs]
        found.append({**row, "over_s3": asdict(measure(points)) if points else None})
    return found
