"""Read-outs over time against loops in plain numbers."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from s3nn.clock import make_readout
from s3nn.clock.readouts import Delayed, FirstSpike, Mean, Membrane, Weighted
from s3nn.errors import UsageError


@pytest.mark.parametrize("tau", [1.0, 2.0, 5.0, float("inf")])
def test_membrane_is_a_leaky_sum(tau: float) -> None:
    outputs = torch.randn(6, 2, 3, dtype=torch.float64)
    trace = [torch.zeros(2, 3, dtype=torch.float64)]
    for y in outputs:
        trace.append((1 - 1 / tau) * trace[-1] + y)
    potentials = torch.stack(trace[1:])
    assert_close(Membrane(6, tau)(outputs), potentials[-1])
    assert_close(Membrane(6, tau, "max")(outputs), potentials.max(0).values)
    assert_close(Membrane(6, tau, "mean")(outputs), potentials.mean(0))


def test_first_spike_is_the_first_step_above_threshold() -> None:
    outputs = torch.randn(7, 4, 5, dtype=torch.float64)
    answer = FirstSpike(7, threshold=0.8, scale=2.0)(outputs)
    for n in range(4):
        for k in range(5):
            charged, first = 0.0, 7
            for t in range(7):
                charged += outputs[t, n, k].item()
                if charged > 0.8:
                    first = t
                    break
            assert answer[n, k].item() == (7 - first) / 2


def test_a_silent_output_neuron_learns_to_fire() -> None:
    outputs = torch.full((5, 1, 1), 0.1, requires_grad=True)
    FirstSpike(5)(outputs).sum().backward()
    assert outputs.grad is not None
    assert bool((outputs.grad > 0).all())


# acc[t] of five epochs for three steps, and the weights that the authors' update makes of them:
# att <- att (1 - 0.3) + 0.3 acc / mean(acc), from the first epoch after the fifth on.
SCRIPT = [[2, 4, 6], [3, 3, 6], [1, 5, 9], [4, 4, 4], [0, 6, 6], [5, 6, 7], [6, 6, 9]]


def scripted(readout: Weighted, rights: list[int]) -> None:
    """A batch of ten images of which step t names ``rights[t]``."""
    labels = torch.zeros(10, dtype=torch.int64)
    outputs = torch.zeros(3, 10, 2)
    for t, right in enumerate(rights):
        outputs[t, :right, 0], outputs[t, right:, 1] = 1, 1
    readout.learn(outputs, labels)


@pytest.mark.parametrize("warm_up", [0, 3, 5])
def test_weights_follow_the_update_on_a_scripted_sequence(warm_up: int) -> None:
    readout = Weighted(3, warm_up=warm_up)
    expected = [1.0, 1.0, 1.0]
    for epoch, rights in enumerate(SCRIPT):
        readout.begin_epoch(epoch)
        if epoch > warm_up:
            before = SCRIPT[epoch - 1]
            mean = sum(before) / 3
            expected = [0.7 * f + 0.3 * a / mean for f, a in zip(expected, before, strict=True)]
        assert_close(readout.weights, torch.tensor(expected))
        scripted(readout, rights)
    assert readout.weights.std() > 0.01 or warm_up == 5


def test_weights_weigh_and_stand_still_outside_of_training() -> None:
    readout = Weighted(3, warm_up=0)
    scripted(readout, [1, 2, 3])
    readout.begin_epoch(1)
    weights = readout.weights.clone()
    y = torch.randn(3, 4, 2)
    assert_close(readout(y), sum(weights[t] * y[t] for t in range(3)) / 3)
    assert torch.equal(readout.weights, weights)
    readout.begin_epoch(2)  # nothing was seen
    assert torch.equal(readout.weights, weights)


def test_what_is_remembered_survives_a_checkpoint() -> None:
    one, two = Weighted(3, warm_up=0), Weighted(3, warm_up=0)
    scripted(one, [1, 2, 3])
    two.load_state_dict(one.state_dict())
    for readout in (one, two):
        readout.begin_epoch(1)
    assert torch.equal(one.weights, two.weights)
    assert one.weights[0] != 1


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match=r"unknown read-out over time 'menbrane'.*'membrane'"):
        make_readout("menbrane", 2)
    with pytest.raises(UsageError, match=r"unknown value of membrane's option take 'lst'.*'last'"):
        make_readout("membrane(take=lst)", 2)
    with pytest.raises(UsageError, match=r"tau >= 1 step, got 0\.5"):
        Membrane(2, tau=0.5)
    with pytest.raises(UsageError, match="scale > 0, got 0"):
        FirstSpike(2, scale=0)
    with pytest.raises(UsageError, match="0 <= decay < 1, got 1"):
        Weighted(2, decay=1)


def test_delayed_leaves_the_first_steps_out() -> None:
    outputs = torch.randn(6, 2, 3, dtype=torch.float64)
    for after in range(6):
        total = torch.zeros(2, 3, dtype=torch.float64)
        for t in range(6):
            if t + 1 > after:  # steps count from 1
                total = total + outputs[t]
        assert_close(Delayed(6, after)(outputs), total / (6 - after))
    assert torch.equal(Delayed(6)(outputs), Mean(6)(outputs))
    for after in (-1, 6):
        with pytest.raises(UsageError, match=f"of the 6 steps and not all, got after={after}"):
            make_readout(f"delayed(after={after})", steps=6)
