"""Masked surrogate gradients against the authors' formula, and what their draws promise."""

from __future__ import annotations

import copy
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from s3nn.clock import Windows
from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.data import load
from s3nn.errors import UsageError
from s3nn.lean import lean
from s3nn.models import Cnn7, Parts
from s3nn.neurons import Lif, make_neuron
from s3nn.surrogates import S3, Masked, Sigmoid, Surrogate, Triangle, make_surrogate, spike
from s3nn.training.build import build_model
from s3nn.training.fit import fit

MANY = 40_000


def factors(surrogate: Surrogate, u: Tensor, seed: int = 0, threshold: float = 1.0) -> Tensor:
    """What backward multiplied by, through ``spike``."""
    u = u.clone().requires_grad_()
    s = spike(u, threshold, surrogate)
    torch.manual_seed(seed)
    (grad,) = torch.autograd.grad(s.sum(), u)
    return grad


@pytest.mark.parametrize("slope", [1.0, 2.0])
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_backward_is_the_authors(slope: float, p: float) -> None:
    """Their steps, one by one, after the same seed: triangle, mask = rand <= p, times the grad."""
    torch.manual_seed(5)
    u, grad_output = torch.randn(64, 8, 5, 5), torch.randn(64, 8, 5, 5)
    x = u - 0.5
    expected = -slope * slope * x.abs() + slope
    expected[x.abs() >= 1 / slope] = 0
    torch.manual_seed(7)
    mask = torch.rand_like(x) <= p
    expected[mask] = 0
    expected *= grad_output

    u.requires_grad_()
    s = spike(u, 0.5, Masked(of=Triangle(width=1 / slope), p=p))
    torch.manual_seed(7)
    s.backward(grad_output)
    assert_close(u.grad, expected)
    assert 0.1 < (expected != 0).float().mean() < 0.9


def test_zeros_are_binomial_and_anew_at_every_element_and_call() -> None:
    p, masked = 0.3, Masked(of=Sigmoid(), p=0.3)
    u = torch.randn(MANY)
    first, second = factors(masked, u, 1) == 0, factors(masked, u, 2) == 0
    bound = 5 * sqrt(p * (1 - p) / MANY)
    assert abs(first.float().mean() - p) < bound
    for other in (second, first.roll(1), first.roll(200)):
        both = (first & other).float().mean()
        assert abs(both - p * p) < 5 * sqrt(p * p * (1 - p * p) / MANY)
    kept = ~first
    assert torch.equal(factors(masked, u, 1)[kept], Sigmoid().derivative(u, 1.0)[kept])


def test_every_step_of_a_neuron_has_masks_of_its_own() -> None:
    current = torch.full((2, 1, MANY), 0.8).requires_grad_()
    out = Lif(tau=1.0, surrogate=Masked(of=Sigmoid(), p=0.5)).run(current)
    (grad,) = torch.autograd.grad(out.sum(), current)
    zeros = (grad[:, 0] == 0).float()
    assert_close(zeros.mean(1), torch.full((2,), 0.5), rtol=0, atol=5 * sqrt(0.25 / MANY))
    assert abs((zeros[0] * zeros[1]).mean() - 0.25) < 5 * sqrt(0.25 * 0.75 / MANY)


def test_rescaling_keeps_the_mean() -> None:
    u = torch.full((MANY,), 1.2)
    g = Triangle().derivative(u[:1], 1.0).item()
    values = factors(Masked(p=0.75, rescale=True), u)
    assert_close(values.unique(), torch.tensor([0.0, 4 * g]))
    assert abs(values.mean() - g) < 5 * 4 * g * sqrt(0.75 * 0.25 / MANY)


@pytest.mark.parametrize("target", ["silent", "fired"])
@pytest.mark.parametrize("rescale", [False, True])
def test_targets_leave_the_others_alone(target: str, rescale: bool) -> None:
    u = torch.randn(MANY) + 1
    u[::100] = 1.0  # at the threshold: silent
    chosen = (u > 1) == (target == "fired")
    masked = make_surrogate(f"masked(of=s3(alpha=5), p=0.4, rescale={rescale}, target={target})")
    found, plain = factors(masked, u, seed=9), S3(alpha=5).derivative(u, 1.0)
    assert torch.equal(found[~chosen], plain[~chosen])
    zero = found[chosen] == 0
    assert abs(zero.float().mean() - 0.4) < 5 * sqrt(0.24 / int(chosen.sum()))
    assert_close(found[chosen][~zero], plain[chosen][~zero] / (0.6 if rescale else 1))


def test_without_a_mask_nothing_is_drawn() -> None:
    u = torch.randn(100)
    torch.manual_seed(0)
    untouched = torch.get_rng_state()
    assert torch.equal(factors(Masked(of=S3(), p=0), u), S3().derivative(u, 1.0))
    assert torch.equal(torch.get_rng_state(), untouched)


def test_few_bits_do_not_change_how_often() -> None:
    u = torch.full((MANY,), 1.25, dtype=torch.bfloat16)
    zeros = (factors(Masked(p=0.001), u) == 0).float().mean()
    assert abs(zeros - 0.001) < 5 * sqrt(0.001 / MANY)  # bfloat16 draws would give 0.004


def test_vmap_draws_as_torch_says() -> None:
    masked, u = Masked(of=Sigmoid(), p=0.5), torch.randn(2, 50)

    def zeros(**how: str) -> Tensor:
        grad = torch.func.grad(lambda v: spike(v, 1.0, masked).sum())
        return torch.func.vmap(grad, **how)(u) == 0

    with pytest.raises(RuntimeError, match="randomness"):
        zeros()
    same, different = zeros(randomness="same"), zeros(randomness="different")
    assert torch.equal(same[0], same[1])
    assert not torch.equal(different[0], different[1])


@pytest.mark.parametrize("cast", [False, True])
def test_a_lean_step_draws_the_same_masks(cast: bool) -> None:
    x = torch.randn(6, 1, 16, 16)
    plain = Cnn7(x.shape[1:], 10, Parts("fire(surrogate=masked(of=s3, p=0.5))"), width=0.125)
    grads = []
    for network, saving in ((plain, False), (copy.deepcopy(plain), True)):
        with lean(network) if saving else torch.enable_grad():
            torch.manual_seed(3)
            with torch.autocast("cpu", torch.bfloat16, enabled=cast):
                loss = network(x).float().square().sum()
            loss.backward()
        grads.append([p.grad for p in network.parameters()])
    assert_close(*grads, rtol=0.05, atol=0.01) if cast else assert_close(*grads)


def test_windows_that_are_run_again_keep_their_masks() -> None:
    model = Model(name="mlp", width=0.1, neuron="lif(surrogate=masked)", steps=4, encoder="rows")
    network, x, grads = build_model(model, (1, 8, 8), 10), torch.randn(5, 1, 8, 8), []
    for recompute in (False, True):
        network.windows = Windows(1, recompute)
        torch.manual_seed(3)
        grads.append(torch.autograd.grad(network(x).square().sum(), tuple(network.parameters())))
    assert_close(grads[0], grads[1])


def test_a_seeded_run_repeats(tmp_path: Path) -> None:
    run = Run(
        data=Data(name="digits", batch=128),
        model=Model(name="mlp", width=0.1, neuron="lif(surrogate=masked(p=0.4))", steps=2),
        optim=Optim(name="adamw", lr=3e-3),
        fit=Fit(epochs=1, threads=1),
    )
    other = run.with_model(neuron="lif(surrogate=masked(p=0.4, rescale=True))")
    digits = load("digits")
    one, two, three = (
        fit(each, tmp_path / str(i), digits, progress=False).network.state_dict()
        for i, each in enumerate((run, replace(run), other))
    )
    assert_close(one, two, rtol=0, atol=0)
    assert any(not torch.equal(one[name], three[name]) for name in one)


def test_specs_nest() -> None:
    inner = make_neuron("fire(surrogate=masked(of=s3(alpha=5), p=0.1))", 4).surrogate
    assert inner == Masked(of=S3(alpha=5), p=0.1)
    twice = make_surrogate("masked(of=masked(of=sigmoid(alpha=2), p=0.5), p=0.5)")
    assert abs((factors(twice, torch.zeros(MANY)) == 0).float().mean() - 0.75) < 0.01
    assert inner.sharper(2.0) == Masked(of=S3(alpha=10), p=0.1)


def test_what_cannot_be_is_said() -> None:
    for p in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match=f"probability 0 <= p < 1, got {p}"):
            Masked(p=p)
    with pytest.raises(UsageError, match="unknown target of masked 'silence': did you mean 'sil"):
        make_surrogate("masked(target=silence)")
    with pytest.raises(UsageError, match=r"of of surrogate masked takes Surrogate, got 3"):
        make_surrogate("masked(of=3)")
    with pytest.raises(UsageError, match="unknown surrogate 's4'"):
        make_neuron("lif(surrogate=masked(of=s4))", 1)
    with pytest.raises(UsageError, match="unknown option of surrogate masked 'prob'"):
        make_neuron("lif(surrogate=masked(prob=0.5))", 1)
