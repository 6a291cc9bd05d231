"""The accuracy benchmark on made-up numbers: what a claim is read from, how each row goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accuracy import DENSE, FURTHER, RELU, S3NN, SPARSE, Flags, further, shows
from s3nn.experiment.compare import plan
from s3nn.recipes import find_recipe
from s3nn.report import Result, measure, read_result

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "results" / "accuracy-fashion" / "fashion_cnn7_large"


def made_up(rate: float, **accuracies: float) -> Result:
    found = read_result(STUDY)
    rows = [
        replace(found.rows[0], name=name, accuracy=measure([value]), firing_rate=rate)
        for name, value in accuracies.items()
    ]
    return replace(found, rows=tuple(rows))


def test_claims_are_read_from_every_stage() -> None:
    results = {
        DENSE: made_up(0.2, relu=0.947, s3nn=0.943),
        FURTHER: made_up(0.2, relu=0.9475, s3nn=0.9447),
        SPARSE: made_up(0.049, s3nn=0.942),
    }
    found = shows(results, Flags(bar=0.944))
    assert [(show.value, show.holds) for show in found] == [
        (0.943, False),
        (pytest.approx(0.4), False),
        (0.9447, True),
        (pytest.approx(0.28), True),
        (0.049, True),
        (pytest.approx(0.1), True),
    ]
    assert found[3].claim == "points that s3nn is under relu, 6 epochs further"


def test_without_the_twin_nothing_is_claimed_of_it() -> None:
    results = dict.fromkeys((DENSE, FURTHER), made_up(0.2, s3nn=0.943))
    found = shows(results | {SPARSE: made_up(0.051, s3nn=0.936)}, Flags(rows=(S3NN,), bar=0.94))
    assert [show.holds for show in found] == [True, True, False, False]
    assert not any("relu" in show.claim for show in found)


def test_each_row_goes_on_from_itself() -> None:
    run = further(find_recipe("digits_cnn"), Flags(epochs=3, lr=0.05), Path("runs/dense"))
    relu, s3nn = (cell.run for cell in plan(run, [RELU, S3NN], [1], Path("out")))
    assert relu.teacher.folder == "runs/dense/relu/seed{seed}"
    assert s3nn.teacher.folder == "runs/dense/s3nn/seed{seed}"
    assert (relu.optim, relu.fit) == (s3nn.optim, s3nn.fit)
    assert (relu.optim.lr, relu.fit.epochs) == (0.05, 3)
