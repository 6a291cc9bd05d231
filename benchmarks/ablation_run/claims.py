"""What the ablation has to show, held against what it measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablation_run.cells import BASE

# s3 without one of its branches, and which one that is.
WITHOUT = {"sigmoid": "timing", "timing_only": "activation"}
LEARNED = {"s3-learned": "a layer", "s3-learned-per-channel": "a channel"}


def shows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every claim whose cells were measured: {claim, value, bar, holds}.

    A difference of accuracies is clear where it is larger than the half width of its 95 % interval,
    over pairs of one seed; with a single seed there is no interval and the bar is 0.
    """
    named = {row["name"]: row for row in rows if row["over_s3"] is not None}
    found = []
    for name, row in named.items():
        lost, half = -row["over_s3"]["mean"], row["over_s3"]["ci95"] or 0.0
        if name in WITHOUT:
            claim = f"without its {WITHOUT[name]} branch ({name}) s3 is clearly less accurate"
            found.append(_show(f"{claim}: points", lost, half, lost > half))
        elif "surrogates" in row["groups"] and name != BASE:
            claim = f"s3 is not clearly less accurate than {name}: points over it"
            found.append(_show(claim, lost, -half, lost >= -half))
        elif name in LEARNED:
            claim = f"one learned threshold {LEARNED[name]} makes s3 clearly more accurate: points"
            found.append(_show(claim, -lost, half, -lost > half))
    return [*found, *_sparser(named), *_grid(named)]


def _sparser(named: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether s3 fires less than the surrogate that has its activation branch only."""
    if BASE not in named or "sigmoid" not in named:
        return []
    own, other = (named[name]["firing_rate"]["mean"] for name in (BASE, "sigmoid"))
    claim = "s3 fires at most as often as sigmoid: firing rates"
    return [_show(claim, own, other, own <= other)]


def _grid(named: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether other slopes than the default's, picked on validation, are better on test."""
    grid = [row for row in named.values() if "grid" in row["groups"]]
    if len(grid) < 2 or BASE not in named:
        return []
    best = max(grid, key=lambda row: row["validation_accuracy"]["mean"])
    over, half = best["over_s3"]["mean"], best["over_s3"]["ci95"] or 0.0
    claim = (
        f"alpha={best['alpha']:g}, beta={best['beta']:g}, which validation picks, are not clearly "
        "more accurate than the default: points"
    )
    return [_show(claim, over, half, over <= half)]


def _show(claim: str, value: float, bar: float, holds: bool) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": bar, "holds": holds}
