"""The rows: what changes between the networks of the study."""

from __future__ import annotations

from typing import Any

from s3nn.config import Run
from s3nn.errors import unknown_name

LIF = "lif(surrogate={})"
MASKED = "masked(of=triangle, p=0.5)"
RESCALED = "masked(of=triangle, p=0.5, rescale=True)"
IN_TIME = {"steps": 4, "encoder": "latency"}
# A single step sees the image itself: with one time, a latency has nothing to say.
ONE_STEP = {"steps": 1, "encoder": "direct", "readout": "mean"}

ROWS: dict[str, dict[str, Any]] = {
    "plain": {"neuron": LIF.format("triangle"), "readout": "mean", **IN_TIME},
    "masked": {"neuron": LIF.format(MASKED), "readout": "mean", **IN_TIME},
    "masked-rescaled": {"neuron": LIF.format(RESCALED), "readout": "mean", **IN_TIME},
    "plain-two": {"neuron": LIF.format("triangle"), "readout": "weighted", **IN_TIME},
    "masked-two": {"neuron": LIF.format(MASKED), "readout": "weighted", **IN_TIME},
    "s3nn": {"neuron": "fire(surrogate=s3)", **ONE_STEP},
    "s3nn-masked": {"neuron": "fire(surrogate=masked(of=s3, p=0.5))", **ONE_STEP},
}
# What each row is held against: the same network without what the row adds.
OVER = {
    "masked": "plain",
    "masked-rescaled": "plain",
    "plain-two": "plain",
    "masked-two": "plain",
    "s3nn-masked": "s3nn",
}


def with_row(run: Run, row: str) -> Run:
    """``run`` as the row called ``row``: the same layers, data, optimiser and seed."""
    if row not in ROWS:
        raise unknown_name("row", row, ROWS)
    return run.with_model(**ROWS[row]).check()
