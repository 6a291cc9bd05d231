"""The clip-floor activation against fractions and against its authors' formula."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.neurons import ClipFloor

THETA = 1.7


@pytest.mark.parametrize("levels", [1, 3, 8])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_the_formula(levels: int, shift: float) -> None:
    u = torch.linspace(-1, 3, 257, dtype=torch.float64).unsqueeze(1)  # multiples of 1/64
    found = ClipFloor(levels, threshold=2.0, shift=shift, learn=False).double()(u)
    for x, a in zip(u.flatten().tolist(), found.flatten().tolist(), strict=True):
        steps = min(max(floor(Fraction(x) * levels / 2 + Fraction(shift)), 0), levels)
        assert a == pytest.approx(2 * steps / levels, abs=1e-15)


def by_the_authors(u: Tensor, theta: Tensor, levels: int) -> Tensor:
    """Their order of operations, the floor straight-through by a detached difference."""
    x = u / theta * levels + 0.5
    x = x + (x.floor() - x).detach()
    return (x / levels).clamp(0, 1) * theta


def test_gradients_are_the_authors() -> None:
    u = (torch.randn(400, 2, dtype=torch.float64) * 2).requires_grad_()
    theta = torch.tensor(THETA, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(400, 2, dtype=torch.float64)
    neuron = ClipFloor(levels=4, threshold=THETA).double()
    log_theta = neuron.threshold.log_value
    found = torch.autograd.grad((neuron(u) * weight).sum(), (u, log_theta))
    expected = torch.autograd.grad((by_the_authors(u, theta, 4) * weight).sum(), (u, theta))
    assert_close(found[0], expected[0])
    assert_close(found[1], expected[1] * THETA, rtol=1e-6, atol=1e-6)  # theta is held in 32 bits


def test_gradients_are_the_docstring() -> None:
    r = torch.tensor([[-0.5], [-0.1], [0.1], [0.4], [0.9], [1.1], [1.3]], dtype=torch.float64)
    u = (r * 2).requires_grad_()
    neuron = ClipFloor(levels=4, threshold=2.0, per_channel=True, channels=1).double()
    a = neuron(u)
    inside = [0, 1, 1, 1, 1, 1, 0]  # floor(4 r + 1/2) from 0 to 4
    q = [0, 0, 0, 0.5, 1, 1, 1]
    assert (a / 2).flatten().tolist() == pytest.approx(q, abs=1e-7)
    (grad,) = torch.autograd.grad(a.sum(), u, retain_graph=True)
    assert grad.flatten().tolist() == inside
    expected = [(qi - ri) if i else float(ri > 0) for qi, ri, i in zip(q, r, inside, strict=True)]
    for i in range(len(r)):
        (of_log,) = torch.autograd.grad(a[i].sum(), neuron.threshold.log_value, retain_graph=True)
        assert of_log.item() / 2 == pytest.approx(float(expected[i]), abs=1e-7)


@pytest.mark.parametrize("options", [{"levels": 0}, {"shift": 1.0}, {"threshold": 0.0}])
def test_options_that_cannot_be(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        ClipFloor(**options)  # type: ignore[arg-type]
