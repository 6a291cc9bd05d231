"""A budget is met, its price follows what is spent, and what is kept is within it."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from s3nn.config import Budget, Data, Fit, Model, Optim, Penalty, Run
from s3nn.data import load
from s3nn.data.batches import normalise
from s3nn.energy import PRICE_LISTS, count, price
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Mlp, Parts
from s3nn.rows import with_row
from s3nn.training.budget import GAIN, LEAST, MARGIN, START, Multiplier, spending_of
from s3nn.training.fit import fit, untrained
from s3nn.training.restraint import restraint_of

DIGITS = load("digits")
RUN = Run(
    data=Data(name="digits", batch=64),
    model=Model(name="mlp", width=0.2),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=30, threads=1),
)
PRICES = PRICE_LISTS["float32_45nm"]


def test_the_goal_comes_down_and_the_price_follows_the_error() -> None:
    price, goal = Multiplier(0.1), MARGIN * 0.1
    price.update(torch.tensor(4 * goal), step=0, steps=1000)
    assert_close(price.goal, torch.tensor(4 * goal))
    assert_close(price.value, torch.tensor(START))
    assert_close(price.pushed, torch.tensor(START))
    price.update(torch.tensor(3 * goal), step=350, steps=1000)  # half of the ramp
    assert_close(price.goal, torch.tensor(4**0.25 * goal))
    assert_close(price.value, torch.tensor(START * exp(GAIN / 1000)))
    price.update(torch.tensor(0.75 * goal), step=800, steps=1000)
    assert_close(price.goal, torch.tensor(goal))
    assert_close(price.value, torch.tensor(START * exp(GAIN / 1000 * 0.75)))
    spent = torch.tensor(1.5 * goal, requires_grad=True)
    price(spent).backward()
    assert_close(spent.grad, price.pushed / goal)


def test_the_price_is_monotone_in_what_is_spent() -> None:
    """More spent, a higher price; and what is pushed falls at once below the goal."""
    values, pushed = [], []
    for share in (0.6, 0.9, 1.0, 1.1, 1.6):
        price = Multiplier(1.0)
        for step in range(50):
            price.update(torch.tensor(share * MARGIN), 900 + step, 1000)
        values.append(price.value.item())
        pushed.append((price.pushed / price.value).item())
    assert values == sorted(values)
    assert pushed == sorted(pushed)
    assert values[2] == pytest.approx(START)
    assert pushed[2] == pytest.approx(1.0, rel=1e-4)
    assert pushed[1] < 0.05


def test_a_price_that_is_not_needed_vanishes() -> None:
    price = Multiplier(0.5)
    for step in range(200):
        price.update(torch.tensor(0.1), step, 200)
    assert price.value.item() == pytest.approx(LEAST)


def test_steps_aim_where_the_validation_lands() -> None:
    """Where a validation spends a tenth more than the steps, their goal comes down by it."""
    price = Multiplier(1.0)
    for epoch in range(60):
        price.update(torch.tensor(0.8), 1000, 1000)
        price.validated(torch.tensor(0.88), epochs=60)
        assert 1 <= price.drift <= 1.1, epoch
    price.update(torch.tensor(0.8), 1000, 1000)
    assert price.goal.item() == pytest.approx(MARGIN / 1.1, rel=1e-3)


def test_a_budget_of_energy_is_met_and_the_network_still_learns(tmp_path: Path) -> None:
    spec = DIGITS.spec
    x = normalise(DIGITS.test.images, spec.mean, spec.std)
    fixed = price(count(untrained(RUN, DIGITS), [x]).silent(), PRICES).total_pj
    most = fixed + 550  # without a budget the spikes of this network cost 1,130 pJ
    run = replace(RUN, budget=Budget(energy_pj=most), fit=Fit(epochs=16, threads=1))
    held = fit(run, tmp_path / "held", DIGITS, progress=False)
    spent = price(count(held.network, [x]), PRICES).total_pj - fixed
    # The budget is held on validation; the test split may differ by a little.
    assert 0.9 < spent / (most - fixed) < 1.03
    kept = max(held.history, key=lambda line: line["validation_score"])
    assert kept["validation_spent"] <= most
    assert kept["validation_accuracy"] > 0.85


def test_an_epoch_over_budget_is_kept_only_for_want_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = replace(RUN, fit=Fit(epochs=1, threads=1), optim=Optim(lr=1e-5))
    run = replace(slow, budget=Budget(firing_rate=0.01))
    history = fit(run, tmp_path / "never", DIGITS).history
    for line in history:
        assert line["validation_score"] == pytest.approx(1 - line["validation_spent"] / 0.01)
        assert line["validation_score"] < 0
    assert "budget.firing_rate=0.01 was not met" in capsys.readouterr().err
    history = fit(replace(run, budget=Budget(firing_rate=0.9)), tmp_path / "ever", DIGITS).history
    assert all(line["validation_score"] == line["validation_accuracy"] for line in history)
    assert "not met" not in capsys.readouterr().err


def test_what_no_spike_at_all_would_meet_is_said_before_training(tmp_path: Path) -> None:
    run = replace(RUN, budget=Budget(energy_pj=1000))
    fixed = price(count(Mlp((1, 8, 8), 10, width=0.2), [torch.zeros(1, 1, 8, 8)]).silent(), PRICES)
    message = rf"energy_pj=1000 cannot be met: without a single spike .* {fixed.total_pj:.6g} pJ by"
    with pytest.raises(UsageError, match=message):
        fit(run, tmp_path / "run", DIGITS, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_penalty_rises_over_its_ramp_and_lowers_the_loss(tmp_path: Path) -> None:
    run = replace(RUN, penalty=Penalty("l1", strength=0.01, ramp=0.5))
    network, x = Mlp((1, 8, 8), 10, width=0.2), torch.randn(8, 1, 8, 8)
    restraint = restraint_of(run, network, (1, 8, 8))
    assert restraint is not None
    with restraint.attached():
        network(x)
    seen = restraint.watch.taken(restraint.penalty).item() / 8  # type: ignore[arg-type]
    for step, share in ((0, 0.0), (25, 0.5), (50, 1.0), (90, 1.0)):
        found = restraint.loss(8, step, 100).item()
        assert found == pytest.approx(0.01 * share * seen, rel=1e-6)
    assert seen > 0
    spikes = {}
    for strength in (0.0, 0.1):
        penalty, x = Penalty("l1", strength=strength), torch.randn(64, 1, 8, 8)
        quick = replace(run, penalty=penalty, fit=Fit(epochs=3, threads=1))
        network = fit(quick, tmp_path / f"{strength}", DIGITS, progress=False).network
        spikes[strength] = count(network, [x]).spikes
    assert spikes[0.1] < 0.7 * spikes[0.0]


def test_a_named_penalty_carries_the_gradient_of_a_budget() -> None:
    torch.manual_seed(0)
    network, x = Mlp((1, 8, 8), 10, width=0.1), torch.randn(8, 1, 8, 8)
    found = {}
    for name in (None, "l1", "synaptic"):
        run = replace(RUN, penalty=Penalty(name), budget=Budget(energy_pj=4e4))
        restraint = restraint_of(run, network, (1, 8, 8))
        assert restraint is not None
        network.zero_grad()
        with restraint.attached():
            network(x)
        value = restraint.loss(8, 99, 100)
        value.backward()
        grads = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        found[name] = value.item(), torch.cat(grads)
    assert found["l1"][0] == pytest.approx(found[None][0], rel=1e-6)
    # The spike-dependent part of this list is E_AC Omega: its gradient is the synaptic penalty's.
    assert_close(found["synaptic"][1], found[None][1], rtol=1e-4, atol=1e-8)
    assert not torch.allclose(found["l1"][1], found[None][1], rtol=1e-2, atol=1e-8)


def test_older_runs_still_load() -> None:
    tree = json.loads(json.dumps(RUN.to_json()))
    del tree["penalty"]
    tree["budget"] = {"firing_rate": 0.05}
    assert Run.from_json(tree) == replace(RUN, budget=Budget(firing_rate=0.05))


def test_rows_that_do_not_spike_have_no_budget() -> None:
    run = replace(RUN, budget=Budget(firing_rate=0.05))
    rows = ("relu", "bnn", "s3nn", "lif-t4")
    held = {row: with_row(run, row).budget.firing_rate for row in rows}
    assert held == {"relu": None, "bnn": None, "s3nn": 0.05, "lif-t4": 0.05}
    run = replace(RUN, penalty=Penalty("l1", strength=1.0))
    assert [with_row(run, row).penalty.name for row in rows] == [None, None, "l1", "l1"]


REFUSED = {
    r"budget\.firing_rate must be > 0, got 0": {"budget": Budget(firing_rate=0.0)},
    r"budget\.energy_pj must be > 0, got -1": {"budget": Budget(energy_pj=-1.0)},
    r"budget\.firing_rate and budget\.energy_pj .* give one": {
        "budget": Budget(firing_rate=0.1, energy_pj=1e5)
    },
    r"unknown price list 'float32'.* 'float32_45nm'": {"budget": Budget(prices="float32")},
    r"penalty\.ramp is a share .* got 1\.5": {"penalty": Penalty("l1", 1.0, ramp=1.5)},
    r"unknown penalty 'l2'": {"penalty": Penalty("l2", 1.0)},
    r"strength=2 is the strength of nothing": {"penalty": Penalty(strength=2.0)},
    r"penalty\.name=l1 needs its strength": {"penalty": Penalty("l1")},
    r"strength=1 fixes what budget\.spikes adapts": {
        "penalty": Penalty("l1", 1.0),
        "budget": Budget(spikes=9.0),
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_right_is_refused(message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(RUN, **REFUSED[message]).check()  # type: ignore[arg-type]


def test_what_cannot_be_watched_is_refused() -> None:
    relu = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(UsageError, match="needs neurons that spike"):
        restraint_of(replace(RUN, penalty=Penalty("l1", 1.0)), relu, (2,))
    lean = replace(RUN, penalty=Penalty("hoyer", 1.0), fit=Fit(step="lean"))
    with pytest.raises(UnsupportedError, match="hoyer penalty, which reads membrane potentials"):
        restraint_of(lean, Mlp((1, 8, 8), 10), (1, 8, 8))
    with pytest.raises(UnsupportedError, match="latency that was not calibrated"):
        spending_of(Budget(latency_us=5.0), Mlp((1, 8, 8), 10), (1, 8, 8))


def test_a_budget_of_spikes_for_what_has_none_is_refused() -> None:
    network = Mlp((1, 8, 8), 10, Parts("relu"), width=0.1)
    for budget in (Budget(firing_rate=0.05), Budget(energy_pj=1.0)):
        with pytest.raises(UsageError, match="needs neurons that spike and this network has none"):
            restraint_of(Run(budget=budget), network, (1, 8, 8))
