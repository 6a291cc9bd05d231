"""The inference benchmark on very little work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference_run.claims import shows
from inference_run.sweep import line, pack, sweep


def test_the_sweep_holds_layers_against_numpy_and_times_them() -> None:
    rows = sweep(4, rounds=2, rates=(0.0, 0.2))
    assert [row["rate"] for row in rows] == [0.0, 0.2]
    assert rows[0]["spikes"] == 0 < rows[1]["spikes"]
    assert 0 < rows[0]["spikes_latency_us"] < rows[1]["spikes_latency_us"]


def test_spikes_are_packed_channel_by_channel() -> None:
    spikes = np.zeros((1, 40, 2, 1), np.uint8)
    spikes[0, 33, 1, 0] = spikes[0, 0, 0, 0] = 1
    assert pack(spikes, 2).tolist() == [[[1, 0]], [[0, 2]]]


def test_a_line_is_found() -> None:
    rows = [{"spikes": n, "spikes_latency_us": 3.0 + 0.5 * n} for n in (0, 10, 20, 40)]
    found = line(rows)
    assert found["us_at_rest"] == pytest.approx(3)
    assert found["us_per_spike"] == pytest.approx(0.5)
    assert found["r_squared"] == pytest.approx(1)


def test_claims_can_fail() -> None:
    def row(engine: str, ratio: float, accuracy: float) -> dict[str, Any]:
        where = {"threads": 1, "batch": 1, "ratio_to_fastest_int8": ratio}
        return {"engine": engine, "accuracy": accuracy, **where}

    slow = [row("s3nn 8 bits", 1.2, 0.91), row("openvino int8", 1.0, 0.93)]
    assert [show["holds"] for show in shows(slow, {})] == [False, False, False]
    quick = [row("s3nn 8 bits", 0.3, 0.928), row("openvino int8", 1.0, 0.93)]
    assert [show["holds"] for show in shows(quick, {})] == [True, True, True]
