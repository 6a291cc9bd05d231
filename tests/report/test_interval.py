"""The interval over seeds is scipy's."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from s3nn.errors import UsageError
from s3nn.report.interval import measure, paired_difference
from s3nn.report.schema import Result


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_interval_is_scipys(per_seed: list[float]) -> None:
    found = measure(per_seed)
    error = stats.sem(per_seed)
    assert found.mean == pytest.approx(np.mean(per_seed))
    assert found.ci95 is not None
    low, high = stats.t.interval(0.95, len(per_seed) - 1, loc=0, scale=max(error, 1e-300))
    assert found.ci95 == pytest.approx((high - low) / 2, abs=1e-12)


def test_one_seed_has_no_interval_and_no_seed_no_mean() -> None:
    assert measure([0.9]).ci95 is None
    with pytest.raises(UsageError, match="at least one value"):
        measure([])


def test_difference_is_paired_by_seed(result: Result) -> None:
    relu, s3nn = result.rows[:2]
    found = paired_difference(result, s3nn, relu)
    test = stats.ttest_rel(s3nn.accuracy.per_seed, relu.accuracy.per_seed)
    low, high = test.confidence_interval(0.95)
    assert found.ci95 is not None
    assert math.isclose(found.mean - found.ci95, low)
    assert math.isclose(found.mean + found.ci95, high)


def test_pairs_are_of_the_same_seed_in_any_order(result: Result) -> None:
    relu, s3nn = result.rows[:2]
    relu = replace(relu, accuracy=measure([0.9, 0.8]), seeds=(0, 1))
    s3nn = replace(s3nn, accuracy=measure([0.79, 0.89, 0.5]), seeds=(1, 0, 2))
    found = paired_difference(result, s3nn, relu)
    assert found.per_seed == pytest.approx((-0.01, -0.01))
    assert found.ci95 == pytest.approx(0)
    alone = replace(s3nn, accuracy=measure([0.5]), seeds=(2,))
    found = paired_difference(result, alone, relu)
    assert (found.mean, found.ci95) == (pytest.approx(-0.35), None)
