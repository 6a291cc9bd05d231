"""Accuracy by steps against loops, and the run that keeps every step."""

from __future__ import annotations

import math

import torch
from torch.testing import assert_close

from s3nn.clock import Scan
from s3nn.conversion import best_delay, convert, delayed_accuracy, run_by_steps, settled
from s3nn.models import Cnn7, Parts


def test_delayed_accuracy_is_a_loop_over_steps() -> None:
    outputs, labels = torch.randn(7, 20, 3), torch.randint(0, 3, (20,))
    found = delayed_accuracy(outputs, labels)
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
                        scores = [
                            a + b for a, b in zip(scores, outputs[t - 1, n].tolist(), strict=True)
                        ]
                right += scores.index(max(scores)) == int(labels[n])
            assert value == right / 20
    for until in range(1, 8):
        column = [found[after, until - 1].item() for after in range(until)]
        assert best_delay(found, until) == column.index(max(column))


def test_every_step_is_kept_and_spikes_are_counted() -> None:
    model = Cnn7((1, 8, 8), 10, Parts(neuron="relu"), 0.05).eval()
    x, y = torch.rand(9, 1, 8, 8), torch.arange(9)
    network = convert(model, x, steps=5)
    found = run_by_steps(network, [(x[:4], y[:4]), (x[4:], y[4:])])
    assert_close(found.outputs, network.each_step(x).detach())
    assert torch.equal(found.labels, y)
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
