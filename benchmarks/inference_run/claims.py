"""What the numbers have to show."""

from __future__ import annotations

from typing import Any

from inference_run.sweep import line

PART_OF_INT8 = 1 / 3
POINTS_OF_TWIN = 0.5
LEAST_R_SQUARED = 0.98
MOST_AT_REST, BUSY = 0.15, 0.2


def shows(
    rows: list[dict[str, Any]], swept: dict[int, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Every claim whose rows were measured: {claim, value, bar, holds}."""
    found = []
    alone = {r["engine"]: r for r in rows if r["threads"] == 1 and r["batch"] == 1}
    ours = {name: row for name, row in alone.items() if name.startswith("s3nn")}
    twin = max((r["accuracy"] for n, r in alone.items() if n not in ours), default=None)
    for name, row in ours.items():
        part = row["ratio_to_fastest_int8"]
        if part is not None:
            text = f"{name}: faster than the fastest int8 runtime, batch 1, one thread"
            found.append(_at_most(text, part, 1.0))
            text = f"{name}: at most a third of the time of the fastest int8 runtime"
            found.append(_at_most(text, part, PART_OF_INT8))
        if twin is not None:
            lost = 100 * (twin - row["accuracy"])
            text = f"{name}: within {POINTS_OF_TWIN} points of the ReLU twin's best engine"
            found.append(_at_most(text, lost, POINTS_OF_TWIN))
    for bits, each in swept.items():
        fit = line(each)["r_squared"]
        text = f"{bits} bits: time is linear in spikes from 0 to 50 %, R squared"
        found.append(
            {"claim": text, "value": fit, "bar": LEAST_R_SQUARED, "holds": fit >= LEAST_R_SQUARED}
        )
        at = {row["rate"]: row["spikes_latency_us"] for row in each}
        text = f"{bits} bits: silence costs at most {MOST_AT_REST} of what 20 % firing costs"
        found.append(_at_most(text, at[0.0] / at[BUSY], MOST_AT_REST))
    return found


def _at_most(claim: str, value: float, bar: float) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": bar, "holds": value <= bar}
