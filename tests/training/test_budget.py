"""A budget of spikes is met, its price follows the rate, and what is kept is within it."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from s3nn.clock import unroll
from s3nn.config import Budget, Data, Fit, Model, Optim, Run
from s3nn.data import load
from s3nn.energy import count
from s3nn.errors import UsageError
from s3nn.experiment.train import train
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.rows import with_row
from s3nn.training.budget import GAIN, LEAST, MARGIN, START, FiringRate, Multiplier
from s3nn.training.fit import fit

DIGITS = load("digits")
RUN = Run(
    data=Data(name="digits", batch=64),
    model=Model(name="mlp", width=0.2),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=30, threads=1),
)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_rate_is_what_is_counted(steps: int) -> None:
    neuron = "fire" if steps == 1 else "lif"
    model = unroll(Cnn7((1, 8, 8), 10, Parts(neuron=neuron), width=0.1), steps).eval()
    x = torch.randn(5, 1, 8, 8)
    with FiringRate(model).watched() as rate:
        model(x)
    assert rate().item() == pytest.approx(count(model, [x]).firing_rate, rel=1e-6)


def test_the_rate_has_the_surrogates_gradient() -> None:
    model = Mlp((1, 8, 8), 10, width=0.1)
    with FiringRate(model).watched() as rate:
        model(torch.randn(6, 1, 8, 8))
    rate().backward()
    weights = [p for name, p in model.named_parameters() if p.ndim > 1 and "readout" not in name]
    assert all(bool(p.grad.abs().sum() > 0) for p in weights if p.grad is not None)
    assert all(p.grad is not None for p in weights)


def test_the_goal_comes_down_from_the_rate_and_the_price_follows_the_error() -> None:
    price, goal = Multiplier(0.1), MARGIN * 0.1
    price.update(torch.tensor(4 * goal), step=0, steps=1000)
    assert_close(price.goal, torch.tensor(4 * goal))
    assert_close(price.value, torch.tensor(START))
    price.update(torch.tensor(3 * goal), step=250, steps=1000)  # half of the ramp: the goal halved
    assert_close(price.goal, torch.tensor(2 * goal))
    assert_close(price.value, torch.tensor(START * exp(GAIN / 1000 * 0.5)))
    price.update(torch.tensor(0.75 * goal), step=800, steps=1000)
    assert_close(price.goal, torch.tensor(goal))
    assert_close(price.value, torch.tensor(START * exp(GAIN / 1000 * 0.25)))
    rate = torch.tensor(1.5 * goal, requires_grad=True)
    price(rate).backward()
    assert_close(rate.grad, price.value / goal)


def test_a_price_that_is_not_needed_vanishes() -> None:
    price = Multiplier(0.5)
    for step in range(200):
        price.update(torch.tensor(0.1), step, 200)
    assert price.value.item() == pytest.approx(LEAST)


def test_a_budget_is_met_and_the_network_still_learns(tmp_path: Path) -> None:
    free = train(RUN, tmp_path / "free", progress=False).rows[0]
    assert free.firing_rate is not None
    assert free.firing_rate > 0.08
    allowed = replace(RUN, budget=Budget(firing_rate=0.05))
    row = train(allowed, tmp_path / "held", progress=False).rows[0]
    assert row.firing_rate is not None
    # The budget is held on validation; the test split may differ by a little.
    assert row.firing_rate < 0.053
    assert row.accuracy.mean > free.accuracy.mean - 0.06


def test_an_epoch_over_budget_is_kept_only_for_want_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = replace(RUN, fit=Fit(epochs=1, threads=1), optim=Optim(lr=1e-5))
    run = replace(slow, budget=Budget(firing_rate=0.01))
    history = fit(run, tmp_path / "never", DIGITS).history
    rates = [line["validation_firing_rate"] for line in history]
    assert [line["validation_score"] for line in history] == pytest.approx([-r for r in rates])
    assert "budget.firing_rate=0.01 was not met" in capsys.readouterr().err
    history = fit(replace(run, budget=Budget(firing_rate=0.9)), tmp_path / "ever", DIGITS).history
    assert all(line["validation_score"] == line["validation_accuracy"] for line in history)
    assert "not met" not in capsys.readouterr().err


def test_rows_that_do_not_spike_have_no_budget() -> None:
    run = replace(RUN, budget=Budget(firing_rate=0.05))
    rows = ("relu", "bnn", "s3nn", "lif-t4")
    held = {row: with_row(run, row).budget.firing_rate for row in rows}
    assert held == {"relu": None, "bnn": None, "s3nn": 0.05, "lif-t4": 0.05}


def test_what_does_not_spike_has_no_rate() -> None:
    with pytest.raises(UsageError, match="needs neurons that spike"):
        FiringRate(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    with pytest.raises(UsageError, match=r"budget\.firing_rate must be > 0, got 0"):
        replace(RUN, budget=Budget(firing_rate=0.0)).check()
