"""What chips take, what training with them in the loop gives back, and what that shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from s3nn.report.interval import measure

LEAST_DROP, LEAST_REGAINED = 3.0, 2 / 3


def shows(rows: list[dict[str, Any]], network: str) -> list[dict[str, Any]]:
    """{claim, value, bar, holds} of a network, over the chips that its rows share."""
    by_name = {row["name"]: row["accuracy"] for row in rows if row["network"] == network}
    ideal, deployed, loop = (
        100 * by_name[name]["mean"] for name in ("ideal", "deployed", "in the loop")
    )
    drop = ideal - deployed

    def pairs(name: str) -> tuple[list[float], list[float]]:
        return by_name["in the loop"]["per_seed"], by_name[name]["per_seed"]

    regained = (loop - deployed) / drop if drop > 0 else 0.0
    return [
        _at_least("points that weights trained in software lose on a chip, mean", drop, LEAST_DROP),
        _at_least("share of the loss that training in the loop regains", regained, LEAST_REGAINED),
        _above(
            "points that training in the loop is above as much training without", *pairs("longer")
        ),
        _above("points that weights trained on one chip lose on another", *pairs("moved")),
    ]


def row(network: str, name: str, steps: int, accuracies: list[float]) -> dict[str, Any]:
    found = asdict(measure(accuracies))
    return {"network": network, "name": name, "steps": steps, "accuracy": found}


def _above(claim: str, these: list[float], those: list[float]) -> dict[str, Any]:
    apart = measure([100 * (a - b) for a, b in zip(these, those, strict=True)])
    low = apart.mean - (apart.ci95 or 0.0)
    claim += ": lower end of the 95 % interval over chips"
    return {"claim": claim, "value": low, "bar": 0.0, "holds": low > 0}


def _at_least(claim: str, value: float, bar: float) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": bar, "holds": value >= bar}
