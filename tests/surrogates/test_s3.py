"""The paper's surrogate, number by number, at thresholds other than one too."""

from __future__ import annotations

from math import exp, inf, log

import pytest
import torch
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.neurons import Fire
from s3nn.registry import SURROGATES
from s3nn.surrogates import S3, spike

THETAS = [0.5, 1.0, 2.0]
POTENTIALS = [-3.0, -0.5, 0.0, 0.1, 0.49, 0.5, 0.51, 0.99, 1.0, 1.01, 1.5, 2.0, 2.01, 7.0, 100.0]


def by_hand(u: float, theta: float, alpha: float, beta: float) -> float:
    """The two lines of docs/method.md."""
    if u > theta:
        return beta / u
    sig = 1 / (1 + exp(-alpha * (u - theta)))
    return alpha * sig * (1 - sig)


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize(("alpha", "beta"), [(4.0, 1.0), (5.0, 1.0), (2.0, 0.3), (4.0, 0.0)])
def test_derivative_is_the_equation(theta: float, alpha: float, beta: float) -> None:
    u = torch.tensor(POTENTIALS, dtype=torch.float64, requires_grad=True)
    s = spike(u, theta, S3(alpha, beta))
    assert s.tolist() == [float(value > theta) for value in POTENTIALS]
    s.sum().backward()
    expected = [by_hand(value, theta, alpha, beta) for value in POTENTIALS]
    assert_close(u.grad, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("theta", THETAS)
def test_primitive_is_the_equation(theta: float) -> None:
    u = torch.tensor(POTENTIALS, dtype=torch.float64)
    expected = [
        0.5 + log(value / theta) if value > theta else 1 / (1 + exp(-4 * (value - theta)))
        for value in POTENTIALS
    ]
    assert_close(S3().primitive(u, theta), torch.tensor(expected, dtype=torch.float64))


def test_defaults_are_those_of_the_method() -> None:
    assert S3() == S3(alpha=4.0, beta=1.0)
    neuron = Fire()
    assert neuron.surrogate == S3()
    assert neuron.threshold.value().item() == 1.0


def test_the_often_copied_form_is_right_at_one_only() -> None:
    u = torch.tensor([3.0], dtype=torch.float64)
    for theta in THETAS:
        copied = 1 / (u - theta + 1)
        assert torch.equal(S3().derivative(u, theta), copied) == (theta == 1.0)


def test_learnable_channel_thresholds_get_minus_the_gradient_of_the_potential() -> None:
    u = (torch.randn(6, 3, 4, 4, dtype=torch.float64) * 2).requires_grad_()
    neuron = Fire(learn=True, per_channel=True, channels=3).double()
    neuron.threshold.set_(torch.tensor(THETAS, dtype=torch.float64))
    weight = torch.randn(6, 3, 4, 4, dtype=torch.float64)
    (neuron(u) * weight).sum().backward()
    for c, theta in enumerate(THETAS):
        slopes = torch.tensor(
            [by_hand(value, theta, 4.0, 1.0) for value in u[:, c].flatten().tolist()],
            dtype=torch.float64,
        )
        by_u = slopes * weight[:, c].flatten()
        assert_close(u.grad[:, c].flatten(), by_u)
        # theta is held as log theta, whose gradient is theta dL/dtheta.
        assert_close(neuron.threshold.log_value.grad[c], -theta * by_u.sum())


def test_the_dead_branch_does_not_poison_the_gradient() -> None:
    for theta in THETAS:
        for surrogate in (S3(), S3(beta=None)):
            u = torch.zeros(4, requires_grad=True)
            learned = torch.tensor(theta, requires_grad=True)
            spike(u, learned, surrogate).sum().backward()
            expected = surrogate.alpha * (s := 1 / (1 + exp(surrogate.alpha * theta))) * (1 - s)
            assert_close(u.grad, torch.full((4,), expected))
            assert_close(learned.grad, torch.tensor(-4 * expected))
            (again,) = torch.autograd.grad(surrogate.primitive(u, theta).sum(), u)
            assert_close(again, u.grad)


@pytest.mark.parametrize("theta", THETAS)
def test_beta_none_is_continuity_at_every_threshold(theta: float) -> None:
    u = torch.tensor([theta, theta + 1e-12], dtype=torch.float64)
    for alpha in (1.0, 4.0, 5.0):
        joined = S3(alpha, beta=None)
        below, above = joined.derivative(u, theta).tolist()
        assert below == pytest.approx(alpha / 4, rel=1e-12)
        assert above == pytest.approx(alpha / 4, rel=1e-10)
        assert joined.gap(theta) == 0
        assert S3(alpha, beta=alpha * theta / 4).gap(theta) == pytest.approx(0)
        below, above = S3(alpha, beta=1.0).derivative(u, theta).tolist()
        assert S3(alpha, beta=1.0).gap(theta) == pytest.approx(abs(below - above), abs=1e-10)


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": -1.0}, {"beta": -0.1}])
def test_impossible_slopes_are_refused(options: dict[str, float]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=rf"s3 needs a finite {name} >.*got {value}"):
        S3(**options)


def test_unknown_surrogates_get_a_did_you_mean() -> None:
    with pytest.raises(UsageError, match="unknown surrogate 'sigmod': did you mean 'sigmoid'"):
        SURROGATES.build("sigmod")
    with pytest.raises(UsageError, match="unknown option of surrogate s3 'alfa': did you mean"):
        SURROGATES.build("s3(alfa=3)")


def test_the_straight_through_estimator_without_a_clip_passes_everything() -> None:
    u = torch.tensor([-50.0, 0.0, 3.0], requires_grad=True)
    spike(u, 1.0, SURROGATES.build("straight_through(clip=inf)")).sum().backward()
    assert u.grad.tolist() == [1.0, 1.0, 1.0]
    assert SURROGATES.build("straight_through").clip == inf


@pytest.mark.parametrize("per_channel", [False, True])
def test_layout_and_precision_are_the_potentials(per_channel: bool) -> None:
    """Half precision and channels-last stay what they are, and the equation stays close."""
    exact = (2 * torch.randn(2, 6, 5, 5)).to(memory_format=torch.channels_last)
    u = exact.bfloat16().requires_grad_()
    theta = torch.full((6, 1, 1), 0.5).view(1, 6, 1, 1) if per_channel else torch.tensor(0.5)
    s = spike(u, theta, S3())
    (grad,) = torch.autograd.grad(s.sum(), u)
    for found in (s, grad):
        assert found.dtype == torch.bfloat16
        assert found.is_contiguous(memory_format=torch.channels_last)
    reference = S3().derivative(u.detach().double(), theta.double())
    assert_close(grad.double(), reference, rtol=0.03, atol=0.01)


@pytest.mark.parametrize("name", ["s3", "timing_only"])
@pytest.mark.parametrize("theta", [0.0, -0.5])
def test_a_threshold_that_would_be_divided_by_is_above_zero(name: str, theta: float) -> None:
    with pytest.raises(UsageError, match=f"{name} divides by the threshold, .* got {theta}"):
        spike(torch.randn(3), theta, SURROGATES.build(name))
    assert spike(torch.tensor([1.0]), theta, SURROGATES.build("sigmoid")).item() == 1
