"""Batch-norm, max-pool and fire in C against the three modules in 64 bits."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.lean import fused_in_c, lean
from s3nn.lean.fused_in_c import can_compute, fire, norm_fire
from s3nn.models import Cnn7, Resnet18
from s3nn.neurons.fire import Fire
from s3nn.surrogates import S3, Surrogate, Triangle

LAST = torch.channels_last


def modules(
    channels: int, window: tuple[int, int] | None, surrogate: Surrogate, per_channel: bool
) -> nn.Sequential:
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight)  # some of them negative
    nn.init.normal_(norm.bias)
    fire = Fire(0.6, surrogate, learn=True, per_channel=per_channel, channels=channels)
    pool = nn.Identity() if window is None else nn.MaxPool2d(window)
    return nn.Sequential(norm, pool, fire)


def step(network: nn.Sequential, x: Tensor, way: str) -> dict[str, Tensor]:
    """Spikes, gradients and running statistics."""
    norm, pool, fire = network
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    if way == "in C":
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(fire, Fire)
        spikes = norm_fire(x, norm, pool if isinstance(pool, nn.MaxPool2d) else None, fire)
    else:
        spikes = network(x)
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(0))
    (spikes * weights.to(x.dtype)).sum().backward()
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert x.grad is not None
    return {"spikes": spikes.detach(), "x": x.grad, **grads, **dict(network.named_buffers())}


@pytest.mark.usefixtures("threads")
@settings(deadline=None, max_examples=60)
@given(
    images=st.integers(1, 5),
    channels=st.integers(1, 70),
    size=st.tuples(st.integers(2, 11), st.integers(2, 11)),
    window=st.sampled_from([None, None, (2, 2), (2, 2), (1, 2), (2, 1)]),
    surrogate=st.sampled_from([S3(), S3(alpha=7.0, beta=0.5), S3(beta=None), Triangle()]),
    per_channel=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_it_is_the_three_modules(
    images: int,
    channels: int,
    size: tuple[int, int],
    window: tuple[int, int] | None,
    surrogate: Surrogate,
    per_channel: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    mine = modules(channels, window, surrogate, per_channel)
    theirs = copy.deepcopy(mine).double()
    x = (3 * torch.randn(images, channels, *size) + 5).contiguous(memory_format=LAST)
    found, expected = step(mine, x, "in C"), step(theirs, x.double(), "plain")
    assume(torch.equal(found["spikes"].double(), expected["spikes"]))
    for name, value in expected.items():
        assert_close(found[name].to(value.dtype), value, atol=2e-4, rtol=2e-4, msg=name)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("surrogate", [S3(), S3(beta=None), Triangle()])
def test_a_neuron_by_itself(surrogate: Surrogate, per_channel: bool) -> None:
    torch.manual_seed(1)
    mine = Fire(0.6, surrogate, learn=True, per_channel=per_channel, channels=20)
    theirs = copy.deepcopy(mine).double()
    ways = {}
    for neuron, fires in ((mine, fire), (theirs, lambda u, neuron: neuron(u))):
        u = torch.randn(3, 20, 5, 7, generator=torch.Generator().manual_seed(2))
        u = u.to(next(neuron.parameters()).dtype).requires_grad_()
        spikes = fires(u, neuron)
        wanted = torch.autograd.grad((spikes * u.detach()).sum(), [u, *neuron.parameters()])
        ways[neuron] = [spikes.detach(), *wanted]
    for found, expected in zip(ways[mine], ways[theirs], strict=True):
        assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def test_spikes_are_apart_only_within_rounding() -> None:
    torch.manual_seed(0)
    mine = modules(64, (2, 2), S3(), per_channel=False)
    theirs = copy.deepcopy(mine).double()
    x = (torch.randn(64, 64, 14, 14) + 2).contiguous(memory_format=LAST)
    found, expected = step(mine, x, "in C"), step(theirs, x.double(), "plain")
    u = theirs[1](copy.deepcopy(theirs[0]).train()(x.double()))
    apart = found["spikes"] != expected["spikes"]
    assert ((u[apart] - 0.6).abs() < 1e-5).all()


def test_a_batch_far_from_zero_loses_no_variance() -> None:
    norm = nn.BatchNorm2d(8)
    x = (torch.randn(4, 8, 9, 9) + 1000).contiguous(memory_format=LAST)
    found = fused_in_c.normalised(x, norm)
    assert_close(found.mean, x.mean((0, 2, 3)), rtol=1e-6, atol=0)
    deviation = x.double().var((0, 2, 3), unbiased=False)
    assert_close(found.invstd.double(), (deviation + norm.eps).rsqrt(), rtol=1e-5, atol=0)


def test_a_scale_of_zero_keeps_the_first_of_a_window() -> None:
    mine = modules(3, (2, 2), S3(), per_channel=False)
    nn.init.zeros_(mine[0].weight)
    theirs = copy.deepcopy(mine)
    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=LAST)
    assert_close(step(mine, x, "in C"), step(theirs, x, "plain"))


def test_a_constant_channel() -> None:
    mine = modules(3, (2, 2), S3(), per_channel=False)
    theirs = copy.deepcopy(mine)
    x = torch.full((2, 3, 4, 4), 7.0).contiguous(memory_format=LAST)
    found, expected = step(mine, x, "in C"), step(theirs, x, "plain")
    assert torch.equal(found["spikes"], expected["spikes"])
    assert torch.isfinite(found["x"]).all()


def test_what_it_takes() -> None:
    x = torch.zeros(2, 3, 4, 4)
    for pool in (None, nn.MaxPool2d(2), nn.MaxPool2d((3, 1)), nn.MaxPool2d(2, stride=2)):
        assert can_compute(x, pool)
    for pool in (
        nn.MaxPool2d(3, stride=2),
        nn.MaxPool2d(2, padding=1),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(17),
        nn.MaxPool2d((1, 5)),
        nn.MaxPool2d((5, 1)),
    ):
        assert not can_compute(x, pool)
    assert not can_compute(x.double(), None)
    assert not can_compute(x.bfloat16(), None)
    with torch.autocast("cpu", torch.bfloat16):
        assert can_compute(x.bfloat16(), None)
    assert not can_compute(x.half(), None)
    assert not can_compute(torch.zeros(2, 3), None)
    assert not can_compute(torch.zeros(1, 3, 1, 1), None)


@pytest.mark.parametrize("size", [(1, 6), (6, 1)])
def test_an_image_smaller_than_the_window_is_torchs_error(size: tuple[int, int]) -> None:
    network = modules(64, (2, 2), S3(), per_channel=False)
    with lean(network, events=True), pytest.raises(RuntimeError, match="Output size is too small"):
        network(torch.randn(8, 64, *size))


def test_a_network_trained_with_events_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.Size] = []

    def noted(x: Tensor, *rest: nn.Module) -> Tensor:
        calls.append(x.shape)
        return norm_fire(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(fused_in_c, "norm_fire", noted)
    model = Cnn7((1, 16, 16), 10, width=0.1).to(memory_format=LAST)
    with lean(model):
        model(torch.randn(4, 1, 16, 16))
    assert not calls
    with lean(model, events=True):
        model(torch.randn(4, 1, 16, 16)).sum().backward()
        assert len(calls) == 6
        model.eval()(torch.randn(4, 1, 16, 16))
        with torch.autocast("cpu", torch.bfloat16):
            spikes = model.train().features[:1](model.encode(torch.randn(4, 1, 16, 16)))
            assert spikes.dtype == torch.float32
    assert len(calls) == 7


def test_a_network_of_bfloat16_trains_as_it_would_without() -> None:
    torch.manual_seed(0)
    plain = Cnn7((1, 16, 16), 10, width=0.5).to(torch.bfloat16, memory_format=LAST)
    model, x = copy.deepcopy(plain), torch.randn(4, 1, 16, 16, dtype=torch.bfloat16)
    with lean(model, events=True):
        assert torch.equal(model(x), plain(x))


def test_neurons_of_a_residual_network_too(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[torch.Size] = []

    def noted(u: Tensor, neuron: Fire) -> Tensor:
        calls.append(u.shape)
        return fire(u, neuron)

    monkeypatch.setattr(fused_in_c, "fire", noted)
    torch.manual_seed(0)
    plain = Resnet18((1, 8, 8), 10, width=0.1).to(memory_format=LAST)
    model, x, grads = copy.deepcopy(plain), torch.randn(4, 1, 8, 8), []
    for network, events in ((plain, False), (model, True)):
        with lean(network, events=events):
            network(x).square().sum().backward()
        grads.append([p.grad for p in network.parameters()])
    assert len(calls) == 17
    assert_close(grads[1], grads[0], atol=1e-3, rtol=1e-3)


def test_there_is_no_gradient_of_the_gradient() -> None:
    norm, _, fire = modules(4, None, S3(), per_channel=False)
    x, factor = torch.randn(2, 4, 3, 3).requires_grad_(), torch.ones(()).requires_grad_()
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(fire, Fire)
    spikes = norm_fire(x, norm, None, fire)
    (grad,) = torch.autograd.grad((factor * spikes).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()
