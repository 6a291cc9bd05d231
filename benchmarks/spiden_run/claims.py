"""What the study is to show, and the number of steps at which spikes stop saving energy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from spiden_run.rows import RELU

GAP_DB, GAIN_DB, STEPS = 0.5, 6.0, 4


def break_even(rows: list[dict[str, Any]], prices: str) -> dict[str, Any] | None:
    """Where the energy of integrate-and-fire over T steps crosses that of the ReLU twin.

    Between two numbers of steps that were tried energy is taken as a line; beyond the last as the
    line through the last two, and ``tried`` is False.  None where fewer than two were tried.
    """
    relu = next((row for row in rows if row["name"] == RELU), None)
    spiking = sorted((r["steps"], r["energy_pj_a_pixel"][prices]) for r in rows if _is_if(r))
    if relu is None or len(spiking) < 2:
        return None
    limit = relu["energy_pj_a_pixel"][prices]
    pairs = list(pairwise(spiking))
    low, high = next((p for p in pairs if p[1][1] >= limit), pairs[-1])
    slope = (high[1] - low[1]) / (high[0] - low[0])
    return {
        "prices": prices,
        "steps": low[0] + (limit - low[1]) / slope if slope > 0 else None,
        "tried": any(energy >= limit for _, energy in spiking),
        "energy_to_relu": {str(steps): energy / limit for steps, energy in spiking},
    }


def shows(rows: list[dict[str, Any]], stops: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{claim, value, bar, holds}, at the first sigma."""
    there = {row["name"]: row for row in rows}
    name = f"if-t{STEPS}"
    found = []
    if RELU in there and name in there:
        ours, relu, sigma = there[name], there[RELU], there[name]["sigma"]
        gap = relu["psnr_db"] - ours["psnr_db"]
        gain = ours["psnr_db"] - ours["noisy_psnr_db"]
        on = f"on held-out photographs at sigma {sigma:g}, dB"
        found += [
            _show(f"PSNR of {name} under its ReLU twin {on}", gap, GAP_DB, gap <= GAP_DB),
            _show(
                f"PSNR that {name} gains over the noisy picture {on}",
                gain,
                GAIN_DB,
                gain >= GAIN_DB,
            ),
        ]
    for stop in stops:
        steps, tried = stop["steps"], "" if stop["tried"] else ", beyond those tried"
        claim = f"time steps at which spikes stop saving energy, by {stop['prices']}{tried}"
        found.append(_show(claim, steps, 1.0, steps is not None and steps > 1))
    return found


def _is_if(row: dict[str, Any]) -> bool:
    return str(row["name"]).startswith("if-t")


def _show(claim: str, value: float | None, bar: float, holds: bool) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": bar, "holds": holds}
