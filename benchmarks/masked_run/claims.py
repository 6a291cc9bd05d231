"""What masks and weighted steps gain, seed by seed, and what that shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from masked_run.rows import OVER
from s3nn.report.interval import measure

WHAT = {
    "masked": "masking half of the surrogate gradients",
    "masked-rescaled": "masking and rescaling",
    "plain-two": "weighting the steps (TWO)",
    "masked-two": "masking and weighting the steps",
    "s3nn-masked": "masking at one step",
}


def gains(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Points of test accuracy that a row gains over its plain one, over the pairs of a seed."""
    there = {(row["name"], row["labels"]): row for row in rows}
    found = []
    for (name, labels), row in there.items():
        plain = there.get((OVER.get(name, ""), labels))
        if plain is None:
            continue
        by_seed, beside = _by_seed(row), _by_seed(plain)
        pairs = [100 * (by_seed[seed] - beside[seed]) for seed in by_seed if seed in beside]
        if pairs:
            found.append(
                {"row": name, "over": OVER[name], "labels": labels, **asdict(measure(pairs))}
            )
    return found


def shows(gained: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{claim, value, bar, holds} a gain: the whole of its interval is to lie above 0."""
    return [
        _above_zero(
            f"{WHAT[gain['row']]} gains test accuracy with {gain['labels']:,} labels, points: "
            f"lower end of the 95 % interval over seeds",
            gain["mean"] - (gain["ci95"] or 0.0),
        )
        for gain in gained
    ]


def _by_seed(row: dict[str, Any]) -> dict[int, float]:
    return dict(zip(row["seeds"], row["accuracy"]["per_seed"], strict=True))


def _above_zero(claim: str, value: float) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": 0.0, "holds": value > 0}
