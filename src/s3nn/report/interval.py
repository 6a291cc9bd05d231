"""The mean over seeds and its Student-t 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from s3nn.errors import UsageError
from s3nn.report.schema import Measure, Result, Row


def measure(per_seed: Sequence[float]) -> Measure:
    """The mean of one number per seed and the half width of its 95 % interval.

    half width = t(0.975, n - 1) * s / sqrt(n), s the sample standard deviation; none for n = 1.

    >>> measure([0.25, 0.5, 0.75]).mean
    0.5
    >>> round(measure([0.25, 0.5, 0.75]).ci95, 4)
    0.621
    >>> measure([0.5]).ci95 is None
    True
    """
    n = len(per_seed)
    if n == 0:
        raise UsageError("the mean of no seeds is not a number: give at least one value")
    mean = float(np.mean(per_seed))
    if n == 1:
        return Measure(mean, None, (float(per_seed[0]),))
    half = float(stdtrit(n - 1, 0.975)) * float(np.std(per_seed, ddof=1)) / math.sqrt(n)
    return Measure(mean, half, tuple(map(float, per_seed)))


def paired_difference(result: Result, row: Row, other: Row) -> Measure:
    """Test score of ``row`` minus that of ``other``, with an interval over the pairs of a seed.

    A seed that one of the rows lacks is in no pair.  Rows that have no seed in common are held
    against each other by their means, without an interval.
    """
    pairs = paired_scores(result, row, other)
    if pairs:
        return measure([a - b for a, b in pairs])
    apart = row.score.mean - other.score.mean
    return Measure(apart, None, (apart,))


def paired_scores(result: Result, row: Row, other: Row) -> list[tuple[float, float]]:
    """The test scores of two rows for every seed that both have."""
    a, b = _by_seed(result, row), _by_seed(result, other)
    return [(a[seed], b[seed]) for seed in a if seed in b]


def _by_seed(result: Result, row: Row) -> dict[int, float]:
    return dict(zip(result.seeds_of(row), row.score.per_seed, strict=False))
