"""Target times, beside their definition in times."""

from __future__ import annotations

import pytest
import torch

from s3nn.errors import UsageError
from s3nn.losses import make_loss
from s3nn.losses.target_time import TargetTime

STEPS = 20


@pytest.mark.parametrize("form", ["first", "mean"])
def test_targets_are_those_of_the_definition(form: str) -> None:
    times = torch.randint(0, STEPS + 1, (200, 5)).double()
    times[0], times[1] = STEPS, torch.tensor([3.0, 3, 9, 20, 20])  # all silent; a tie
    labels = torch.randint(0, 5, (200,))
    loss, delta = make_loss(f"target_time(delta=4, form={form})"), 4.0
    assert isinstance(loss, TargetTime)
    found = STEPS - loss.wanted(STEPS - times, labels)
    for t, label, wanted in zip(times.tolist(), labels.tolist(), found.tolist(), strict=True):
        first = min(t) if min(t) < STEPS else STEPS - delta
        mean = sum(t) / 5
        for k in range(5):
            if form == "first":
                expected = first if k == label else min(STEPS, max(t[k], first + delta))
            elif k == label:
                expected = min(t[k], mean - 4 / 5 * delta)
            else:
                expected = min(STEPS, max(t[k], mean + delta / 5))
            assert wanted[k] == pytest.approx(expected)


def test_the_gradient_is_the_distance_in_time() -> None:
    leads = torch.tensor([[4.0, 7.0, 0.0]], requires_grad=True)
    loss = TargetTime(5.0)
    loss(leads[None], leads, torch.tensor([0])).backward()
    assert leads.grad is not None
    assert leads.grad.tolist() == [[-3.0, 5.0, 0.0]], "to 7 and 2; dE/dt is less that"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="delta > 0 steps, got 0"):
        TargetTime(0)
    with pytest.raises(UsageError, match="form of target_time 'men': did you mean 'mean'"):
        make_loss("target_time(form=men)")
