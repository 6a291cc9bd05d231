"""What the study is to show, held against what it measured."""

from __future__ import annotations

from statistics import fmean
from typing import Any

NEAR = {"%": (0.01, "a point"), "dB": (0.5, "half a dB")}  # what is within reach, and in words


def shows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """{claim, value, bar, holds}: of every parent, with and without a delay, the pre-charge."""
    there = {(row["parent"], row["precharge"], row["delayed"]): row for row in rows}
    found = []
    for (parent, kappa, delayed), row in there.items():
        plain = there.get((parent, 0.0, delayed))
        if not kappa or plain is None:
            continue
        how = ", delayed" if delayed else ""
        within = f"until {parent} converted is within {NEAR[row['unit']][1]} of itself{how}"
        for name, what in (("near", "steps"), ("spikes_near", "spikes")):
            value, bar = (fmean(each[name]) for each in (row, plain))
            claim = f"{what} {within}: fewer with a pre-charge of {kappa:g} than without"
            found.append({"claim": claim, "value": value, "bar": bar, "holds": value < bar})
    return found
