"""Scores by steps against loops, and the run that keeps every step."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from s3nn.clock import Scan
from s3nn.clock.readouts import Delayed
from s3nn.conversion import best_delay, convert, run_by_steps, scores_by_steps, settled
from s3nn.models import Cnn7, Parts


def test_scores_are_a_loop_over_steps() -> None:
    outputs, labels = torch.randn(7, 20, 3), torch.randint(0, 3, (20,))
    found = scores_by_steps(outputs, torch.zeros(20), labels)
    for until in range(1, 8):
        for after in range(7):
            value = found[after, until - 1].item()
            if after >= until:
                assert math.isnan(value)
                continue
            right = 0
            for n in range(20):
                scores = [0.0] * 3
                for t in range(1, until + 1):
                    if t > after:
                        step = outputs[t - 1, n].tolist()
                        scores = [a + b for a, b in zip(scores, step, strict=True)]
                right += scores.index(max(scores)) == int(labels[n])
            assert value == right / 20
    for until in range(1, 8):
        column = [found[after, until - 1].item() for after in range(until)]
        assert best_delay(found, until) == column.index(max(column))


def test_scores_of_pictures_are_those_of_the_delayed_mean() -> None:
    outputs, wanted = torch.rand(4, 2, 1, 5, 5), torch.rand(2, 1, 5, 5)
    found = scores_by_steps(
        outputs, wanted, wanted, lambda a, _, w: (a - w).square().mean((1, 2, 3))
    )
    for after in range(4):
        answer = Delayed(4, after)(outputs)
        assert found[after, 3].item() == pytest.approx(float((answer - wanted).square().mean()))


def test_every_step_is_scored_and_spikes_are_counted() -> None:
    model = Cnn7((1, 8, 8), 10, Parts(neuron="relu"), 0.05).eval()
    x, y = torch.rand(9, 1, 8, 8), torch.randint(0, 10, (9,))
    network = convert(model, x, steps=5)
    found = run_by_steps(network, [(x[:4], y[:4]), (x[4:], y[4:])])
    expected = scores_by_steps(network.each_step(x).detach(), x, y)
    assert_close(found.scores, expected, equal_nan=True)
    assert found.spikes.shape == (6, 5)
    assert len(found.layers) == 6
    first = next(m for m in network.modules() if isinstance(m, Scan))
    spikes = first.neuron.run(network.currents(x).unflatten(0, (5, 9)))
    assert_close(found.spikes[0], spikes.detach().flatten(1).sum(1) / 9)


def test_settled() -> None:
    assert settled([], 1.0) is None
    assert settled([1.0], 1.0) == 1
    assert settled([0.1, math.nan, 0.9, 0.9], 0.5) == 3
    assert settled([0.9, 0.9, math.nan], 0.5) is None
