"""The accuracy benchmark on made-up numbers: what a claim is read from, how each row goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accuracy import RELU, S3NN, Flags, further, shows
from s3nn.recipes import find_recipe
from s3nn.report import Result, measure, read_result
from s3nn.rows import with_row

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "results" / "accuracy-fashion" / "fashion_cnn7_large"


def made_up(rate: float, **accuracies: float) -> Result:
    found = read_result(STUDY)
    rows = [
        replace(found.rows[0], name=name, accuracy=measure([value]), firing_rate=rate)
        for name, value in accuracies.items()
    ]
    return replace(found, rows=tuple(rows))


def test_claims_are_read_from_both_trainings() -> None:
    dense = made_up(0.2, relu=0.947, s3nn=0.943)
    more = {RELU: made_up(0.2, relu=0.9475), S3NN: made_up(0.049, s3nn=0.9447)}
    found = shows(dense, more, Flags(bar=0.944))
    assert [(show.value, show.holds) for show in found] == [
        (0.943, False),
        (pytest.approx(0.4), False),
        (0.9447, True),
        (pytest.approx(0.28), True),
        (0.049, True),
        (pytest.approx(-0.17), True),
    ]
    assert found[3].claim == "points that s3nn is under relu after 6 epochs more of both"


def test_without_the_twin_nothing_is_claimed_of_it() -> None:
    dense, more = made_up(0.2, s3nn=0.943), {S3NN: made_up(0.051, s3nn=0.936)}
    found = shows(dense, more, Flags(rows=(S3NN,), bar=0.94))
    assert [show.holds for show in found] == [True, False, False, False]
    assert not any("relu" in show.claim for show in found)


def test_both_rows_go_on_alike_but_for_the_budget() -> None:
    run, flags = find_recipe("digits_cnn"), Flags(epochs=3, lr=0.05)
    relu, s3nn = (
        with_row(further(run, row, flags, Path("runs/dense")), row) for row in (RELU, S3NN)
    )
    assert relu.teacher.folder == "runs/dense/relu/seed{seed}"
    assert s3nn.teacher.folder == "runs/dense/s3nn/seed{seed}"
    assert (relu.budget.firing_rate, s3nn.budget.firing_rate) == (None, 0.05)
    assert (relu.optim, relu.fit) == (s3nn.optim, s3nn.fit)
    assert (relu.optim.lr, relu.fit.epochs) == (0.05, 3)
