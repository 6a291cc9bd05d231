"""The multi-step parent: against a slow copy of METHOD.md, and its reduction to one step.

Two of the parent's guards have no counterpart in S3.  ``1/u`` is cut at 8, which binds where a
neuron fires below u = 1/8 and so never at theta = 1; and the sigmoid's argument is cut at +-8,
which binds for u < theta - 1.6, where the parent's slope stays at sig(8) sig(-8) / 0.2 = 0.0017
and S3's goes on to zero.  The equality is asked for outside of the second region, and the
parent's constant inside of it.
"""

from __future__ import annotations

from math import exp

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.neurons import Fire, Timing
from s3nn.surrogates import S3

CLAMP_BINDS_BELOW = 1.0 - 8 * 0.2
TOLERANCE = {torch.float64: 1e-13, torch.float32: 5e-6}


def slow_forward(
    x: list[float], tau_m: float, tau_s: float, theta: float
) -> tuple[list[float], list[float], list[float], list[float]]:
    v = a = 0.0
    deltas, potentials, spikes, traces = [], [], [], []
    for current in x:
        delta = -v / tau_m + current
        u = v + delta
        s = 1.0 if u > theta else 0.0
        v = u * (1 - s)
        a = a + (s - a) / tau_s
        deltas.append(delta)
        potentials.append(u)
        spikes.append(s)
        traces.append(a)
    return deltas, potentials, spikes, traces


def slow_backward(
    x: list[float], g: list[float], tau_m: float, tau_s: float, theta: float
) -> list[float]:
    """METHOD.md's backward, one neuron, with every sum written out."""
    delta, u, s, a = slow_forward(x, tau_m, tau_s, theta)
    steps = len(x)
    eps = [(1 - 1 / tau_s) ** k / tau_s for k in range(steps)]
    grads, carried = [0.0] * steps, 0.0
    for t in reversed(range(steps)):
        p = max(-8.0, min(0.0, -1 / delta[t])) * s[t]
        total = sum(p * -eps[k - t] * g[k] for k in range(t, steps))
        if t < steps - 1:
            total += carried * u[t] * (-1 / tau_m) * p
            total += carried * (1 - 1 / tau_m) * (1 - s[t])
        carried = total * s[t] + carried * (1 - s[t]) * (1 - 1 / tau_m)
        grads[t] = total
        if a[t] < 1 / (4 * tau_s):
            z = max(-8.0, min(8.0, (theta - u[t]) / 0.2))
            f = exp(z) / ((1 + exp(z)) ** 2 * 0.2)
            grads[t] = sum(eps[k - t] * g[k] for k in range(t, steps)) * f
    return grads


@pytest.mark.parametrize(
    ("tau_m", "tau_s", "theta"),
    [(5.0, 3.0, 1.0), (2.0, 1.0, 0.5), (4.0, 2.0, 2.0), (1.0, 5.0, 0.1)],
)
@pytest.mark.parametrize("steps", [1, 2, 6])
def test_all_steps_are_the_equations(tau_m: float, tau_s: float, theta: float, steps: int) -> None:
    x = (torch.randn(steps, 60, 2, dtype=torch.float64) * 1.5 * theta + 0.3).requires_grad_()
    g = torch.randn_like(x)
    out = Timing(tau_m, tau_s, theta).run(x)
    out.backward(g)
    columns = x.detach().flatten(1).T.tolist()
    traces = [slow_forward(column, tau_m, tau_s, theta)[3] for column in columns]
    slow = [
        slow_backward(column, upstream, tau_m, tau_s, theta)
        for column, upstream in zip(columns, g.flatten(1).T.tolist(), strict=True)
    ]
    assert_close(out.flatten(1).T, torch.tensor(traces, dtype=torch.float64))
    assert_close(x.grad.flatten(1).T, torch.tensor(slow, dtype=torch.float64))


def potentials(dtype: torch.dtype) -> Tensor:
    edge = torch.tensor([0.0, 1.0, CLAMP_BINDS_BELOW, 0.125, 1e-30, 50.0, -50.0])
    return torch.cat([torch.randn(8000) * 2 + 0.5, edge]).to(dtype).view(-1, 1)


def out_and_grad(layer: torch.nn.Module, u: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    u = u.clone().requires_grad_()
    out = layer(u)
    out.backward(g)
    assert u.grad is not None
    return out.detach(), u.grad


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("tau_s", [1.0, 3.0])
def test_one_step_is_s3(dtype: torch.dtype, tau_s: float) -> None:
    u = potentials(dtype)
    g = torch.randn_like(u)
    spikes, expected = out_and_grad(Fire(surrogate=S3(alpha=5.0, beta=1.0)), u, g)
    current, grad = out_and_grad(Timing(tau_s=tau_s), u, g)
    assert torch.equal(current, spikes / tau_s)
    free = u >= CLAMP_BINDS_BELOW
    assert free.sum() > 5000
    assert_close(grad[free] * tau_s, expected[free], rtol=TOLERANCE[dtype], atol=0)
    assert int((u > 1).sum()) > 2000, "both branches are compared"
    constant = g[~free] * (exp(8) / (1 + exp(8)) ** 2 / 0.2)
    assert len(constant) > 1000
    assert_close(grad[~free] * tau_s, constant, rtol=1e-5, atol=0)
    assert (grad[~free].abs() * tau_s >= expected[~free].abs() * (1 - 1e-5)).all()


def test_the_cut_of_the_timing_slope_binds_below_an_eighth() -> None:
    u = torch.tensor([[0.1], [0.124], [0.126], [0.5]], dtype=torch.float64)
    _, grad = out_and_grad(Timing(tau_s=1.0, threshold=0.05), u, torch.ones_like(u))
    _, uncut = out_and_grad(Fire(0.05, S3(alpha=5.0, beta=1.0)), u, torch.ones_like(u))
    assert_close(uncut, 1 / u)
    assert_close(grad, (1 / u).clamp(max=8.0))


def test_several_steps_are_not_s3_step_by_step() -> None:
    u = torch.rand(4, 100, 1, dtype=torch.float64) + 0.2
    g = torch.ones_like(u)
    fire = Fire(surrogate=S3(alpha=5.0, beta=1.0))
    spikes, by_steps = out_and_grad(fire, u.flatten(0, 1), g.flatten(0, 1))
    sequence = u.clone().requires_grad_()
    current = Timing(tau_s=1.0).run(sequence)
    current.backward(g)
    assert not torch.equal(current.detach().flatten(0, 1), spikes)
    assert (sequence.grad.flatten(0, 1) - by_steps).abs().max() > 0.1


@pytest.mark.parametrize("options", [{"tau_m": 0.5}, {"tau_s": 0.0}, {"threshold": 0.0}])
def test_impossible_constants_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"got .*{next(iter(options.values()))}"):
        Timing(**options)
