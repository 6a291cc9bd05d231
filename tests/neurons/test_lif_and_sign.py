"""The other neurons: lif against a loop over scalars, sign, and the thresholds of all of them."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.neurons import Fire, Lif, Sign, Threshold, make_neuron
from s3nn.neurons.base import threshold_of
from s3nn.surrogates import S3, Arctan, Triangle


def brute_force(x: list[float], tau: float, theta: float, reset: str) -> list[float]:
    v, spikes = 0.0, []
    for current in x:
        u = v - v / tau + current
        s = u > theta
        spikes.append(float(s))
        if reset == "hard":
            v = 0.0 if s else u
        elif reset == "soft":
            v = u - theta if s else u
        else:
            v = u
    return spikes


@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize(("tau", "theta"), [(2.0, 1.0), (5.0, 0.4), (1.0, 1.0), (inf, 2.0)])
def test_lif_is_a_loop_over_scalars(tau: float, theta: float, reset: str) -> None:
    x = torch.randn(9, 40, 2, dtype=torch.float64) * 2
    out = Lif(tau, theta, reset).double().run(x)
    columns = [brute_force(c, tau, theta, reset) for c in x.flatten(1).T.tolist()]
    assert out.flatten(1).T.tolist() == columns
    assert 0.05 < out.mean() < 0.95


def test_the_gradient_goes_through_the_potential_and_not_through_the_reset() -> None:
    x = torch.tensor([[[0.6]], [[0.9]]], dtype=torch.float64, requires_grad=True)
    surrogate = Triangle()
    Lif(tau=2.0, surrogate=surrogate).double().run(x)[1].sum().backward()
    u1 = torch.tensor(0.6 / 2 + 0.9, dtype=torch.float64)
    slope = surrogate.derivative(u1, 1.0)
    assert_close(x.grad.flatten(), torch.stack([slope / 2, slope]))


@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
def test_one_step_of_lif_is_fire(reset: str) -> None:
    u = torch.randn(50, 4, 3, 3) * 2
    grads = []
    for neuron in (Lif(3.0, 0.7, reset, surrogate=S3()), Fire(0.7, S3())):
        v = u.clone().requires_grad_()
        s = neuron(v)
        (s * u).sum().backward()
        grads.append((s.detach(), v.grad))
    assert_close(grads[0], grads[1], rtol=0, atol=0)


def test_lif_refuses_what_it_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"a membrane needs tau >= 1 step, got 0\.5"):
        Lif(tau=0.5)
    with pytest.raises(UsageError, match="unknown reset 'sofft': did you mean 'soft'"):
        make_neuron("lif(reset=sofft)", 3)


def test_words_and_infinity_need_no_quotes() -> None:
    assert make_neuron("lif(reset=soft, tau=inf)", 3).tau == inf
    assert make_neuron("lif(reset='none')", 3).reset == "none"
    assert make_neuron("fire(surrogate=arctan)", 3).surrogate == Arctan()
    assert make_neuron("fire(surrogate='arctan')", 3).surrogate == Arctan()


def test_sign_is_plus_or_minus_one_with_a_clipped_straight_through_gradient() -> None:
    u = torch.tensor([-5.0, -1.0, -0.99, -0.0, 0.0, 1e-30, 0.99, 1.0, 5.0], requires_grad=True)
    out = Sign()(u)
    assert out.tolist() == [-1, -1, -1, -1, -1, 1, 1, 1, 1]
    out.sum().backward()
    assert u.grad.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("value", [0.0, -1.0, nan])
@pytest.mark.parametrize("neuron", ["fire", "lif"])
def test_thresholds_are_positive(neuron: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"a threshold must be > 0, got {value}"):
        {"fire": Fire, "lif": Lif}[neuron](threshold=value)
    theta = Fire(learn=True, per_channel=True, channels=2).threshold
    with pytest.raises(UsageError, match="a threshold must be > 0"):
        theta.set_(torch.tensor([1.0, value]))
    assert theta.value().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("learn", [False, True])
def test_thresholds_a_channel(learn: bool) -> None:
    theta = Threshold(0.5, learn=learn, channels=3)
    assert theta(torch.zeros(2, 3, 4, 4)).shape == (3, 1, 1)
    assert theta(torch.zeros(2, 3)).shape == (3,)
    theta.set_(torch.tensor([1.0, 2.0, 3.0]))
    assert_close(theta.value(), torch.tensor([1.0, 2.0, 3.0]))
    assert len(list(theta.parameters())) == learn
    with pytest.raises(UsageError, match="pass channels=C"):
        threshold_of(1.0, learn=learn, per_channel=True, channels=None)
