"""Calls under the clock, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Call = Callable[[], object]
SETTLE_S = 0.002  # idle workers of a runtime spin for a while after a call


def interleaved(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Microseconds of every call, one of each a round, in an order that rotates.

    In front of each timed call goes one that is not timed, so that every one finds warm caches.
    """
    names = list(calls)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            call = calls[name]
            time.sleep(SETTLE_S)
            call()
            begin = time.perf_counter()
            call()
            found[name].append(1e6 * (time.perf_counter() - begin))
    return found


def spread(values: list[float]) -> dict[str, Any]:
    """The median with the quartiles and the least."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {
        "latency_us": statistics.median(values),
        "quartiles_us": [low, high],
        "least_us": min(values),
    }


def ratio(found: dict[str, list[float]], row: str, other: str) -> float:
    """The median of the ratios within a round: what disturbs a round disturbs both."""
    return statistics.median(a / b for a, b in zip(found[row], found[other], strict=True))
