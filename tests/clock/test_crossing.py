"""When neurons that fire once fire, beside the same neurons step by step."""

from __future__ import annotations

from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from s3nn.clock import crossing
from s3nn.clock.crossing import first_crossing

STEPS = 12


def step_by_step(times: Tensor, weight: Tensor, theta: float) -> Tensor:
    """The definition: every step, every neuron, every spike."""
    found = torch.full((len(times), len(weight)), inf, dtype=times.dtype)
    for row, arrived in enumerate(times):
        for neuron, w in enumerate(weight):
            potential = 0.0
            for step in range(STEPS):
                potential += sum(float(w[i]) for i, t in enumerate(arrived) if t == step)
                if potential > theta:
                    found[row, neuron] = step
                    break
    return found


def drawn(seed: int, rows: int, inputs: int, neurons: int) -> tuple[Tensor, Tensor]:
    """Times with ties and silence; weights of both signs whose sums are exact in any dtype."""
    generator = torch.Generator().manual_seed(seed)
    times = torch.randint(0, STEPS, (rows, inputs), generator=generator).double()
    times[torch.rand(rows, inputs, generator=generator) < 0.2] = inf
    weight = torch.randint(-12, 20, (neurons, inputs), generator=generator).double() / 4
    return times, weight


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 9), st.integers(1, 4))
def test_it_is_the_first_step_above_the_threshold(
    seed: int, rows: int, inputs: int, neurons: int
) -> None:
    times, weight = drawn(seed, rows, inputs, neurons)
    for dtype in (torch.float32, torch.float64):
        # 3.0 and 4.25 are sums that occur: what is on the threshold has not crossed it.
        for theta in (3.0, 4.25):
            found = first_crossing(times.to(dtype), weight.to(dtype), torch.tensor(theta).to(dtype))
            assert found.dtype == dtype
            assert torch.equal(found.double(), step_by_step(times, weight, theta))


def test_rows_do_not_depend_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    times, weight = drawn(1, 50, 30, 20)
    weight = weight.float() + torch.rand(20, 30)  # sums that round
    times, theta = times.float(), torch.tensor(5.0)
    whole = first_crossing(times, weight, theta)
    assert 0.1 < whole.isfinite().float().mean() < 1
    alone = torch.cat([first_crossing(row[None], weight, theta) for row in times])
    assert torch.equal(whole, alone)
    monkeypatch.setattr(crossing, "HELD", 2000)
    assert torch.equal(whole, first_crossing(times, weight, theta))


def test_nothing_arrives() -> None:
    silent = torch.full((3, 4), inf)
    assert first_crossing(silent, torch.ones(2, 4), torch.tensor(1.0)).isinf().all()
    assert first_crossing(silent[:0], torch.ones(2, 4), torch.tensor(1.0)).shape == (0, 2)


def test_inhibition_after_the_crossing_does_not_undo_it() -> None:
    times, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, -9.0]])
    assert first_crossing(times, weight, torch.tensor(1.0)).item() == 1


def test_inhibition_in_the_same_step_comes_before_the_comparison() -> None:
    times, weight = torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, -1.5]])
    assert first_crossing(times, weight, torch.tensor(1.0)).item() == inf


def test_the_last_step_counts() -> None:
    times = torch.tensor([[254.0]])
    assert first_crossing(times, torch.ones(1, 1), torch.tensor(0.5)).item() == 254
