"""Convolutions that follow their spikes: the sums of the dense ones, to the rounding of 32 bits."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy
from torch.testing import assert_close

from s3nn.lean import events, lean, team
from s3nn.lean.events import (
    Shape,
    by_channel,
    convolve,
    count,
    forward,
    listed,
    weight_gradient,
)
from s3nn.models import Cnn7
from s3nn.synapses import SynapticConv2d
from s3nn.synapses.integer import Integer
from s3nn.synapses.real import Real

LAST = torch.channels_last


def spikes_of(size: tuple[int, ...], rate: float, seed: int) -> Tensor:
    draw = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    return (draw < rate).float().contiguous(memory_format=LAST)


@pytest.mark.usefixtures("threads")
@settings(deadline=None, max_examples=60)
@given(
    images=st.integers(1, 4),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 150),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.sampled_from([(1, 1), (3, 3), (5, 5), (1, 3), (4, 2)]),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    rate=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_both_sums_are_those_of_a_dense_convolution(
    images: int,
    channels: int,
    outputs: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    rate: float,
    seed: int,
) -> None:
    if any(n + 2 * pad < k for n, pad, k in zip(size, padding, kernel, strict=True)):
        return  # smaller than the kernel
    shape = Shape(size, channels, outputs, kernel, stride, padding)
    x = spikes_of((images, channels, *size), rate, seed)
    w = torch.randn(outputs, channels, *kernel, dtype=torch.float64, requires_grad=True)
    y = conv2d(x.double(), w, stride=stride, padding=padding)
    grad = torch.randn(y.shape).contiguous(memory_format=LAST)
    y.backward(grad.double())
    found = listed(shape, x, count(shape, x))
    assert found.starts[:, -1].sum() == x.sum()
    ordered = by_channel(shape, found)
    sums = forward(shape, found, w.detach().float()), weight_gradient(shape, ordered, grad)
    for mine, theirs in zip(sums, (y.detach(), w.grad), strict=True):
        assert_close(mine.double(), theirs, atol=1e-4, rtol=1e-4)


def test_weights_come_back_from_their_blocks() -> None:
    for outputs in (1, 16, 65, 80, 192, 200):
        shape = Shape((4, 4), 3, outputs, (3, 2), (1, 1), (1, 1))
        weight = torch.randn(outputs, 3, 3, 2)
        assert torch.equal(shape.unpack(shape.pack(weight)), weight)


@pytest.mark.parametrize("synapse", [Real, lambda: Integer(bits=4)])
@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_and_all_its_gradients(synapse: type, bias: bool) -> None:
    torch.manual_seed(0)
    layer = SynapticConv2d(synapse(), 32, 48, 3, stride=2, padding=1, bias=bias)
    x = spikes_of((3, 32, 9, 7), 0.2, 0).requires_grad_()
    ways = {}
    for name, y in (("dense", layer(x)), ("events", convolve(layer, x))):
        assert y is not None
        wanted = torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])
        ways[name] = (y.detach(), *wanted)
    assert_close(ways["events"], ways["dense"], atol=1e-4, rtol=1e-4)


def test_without_openmp_a_pool_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, x = Shape((6, 6), 8, 24, (3, 3), (1, 1), (1, 1)), spikes_of((5, 8, 6, 6), 0.3, 1)
    weight, before = torch.randn(24, 8, 3, 3), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = forward(shape, listed(shape, x, count(shape, x)), weight)
        monkeypatch.setattr(team, "_openmp", lambda: None)
        assert torch.equal(forward(shape, listed(shape, x, count(shape, x)), weight), expected)
    finally:
        torch.set_num_threads(before)


def step(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    logits = network(x)
    cross_entropy(logits.float(), torch.arange(len(x)) % 10).backward()
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"logits": logits.detach(), **grads}


def followed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels that run from here on."""
    names = ("pack", "unpack", "count", "list", "sort", "forward", "weight gradient")
    ran: list[str] = []

    def noted(kernels: str, job: events.Job) -> None:
        ran.append(names[job.what])
        team.run(kernels, job)

    monkeypatch.setattr(events, "run", noted)
    return ran


def test_a_step_is_that_of_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    plain = Cnn7((1, 16, 16), 10, width=0.5).to(memory_format=LAST)
    following, x = copy.deepcopy(plain), torch.randn(6, 1, 16, 16)
    expected, ran = step(plain, x), followed(monkeypatch)
    with lean(following, events=True):
        found = step(following, x)
    assert {"forward", "weight gradient"} <= set(ran)
    assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_in_bfloat16_only_the_product_with_the_weights_is() -> None:
    torch.manual_seed(0)
    layer, x = SynapticConv2d(Real(), 32, 48, 3, padding=1), spikes_of((3, 32, 9, 7), 0.2, 0)
    grad, ways = torch.randn(3, 48, 9, 7).contiguous(memory_format=LAST), []
    for half in (False, True):
        spikes = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = convolve(layer, spikes)
        assert y is not None
        ways.append([y.detach(), *torch.autograd.grad(y, [layer.weight, spikes], grad)])
    (y, dw, dx), (y_half, dw_half, dx_half) = ways
    assert torch.equal(y_half, y)
    assert torch.equal(dw_half, dw)
    assert dx_half.dtype == torch.float32
    assert 1e-4 < float((dx_half - dx).norm() / dx.norm()) < 1e-2


def test_a_step_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    network, x = Cnn7((1, 16, 16), 10, width=0.5).to(memory_format=LAST), torch.randn(6, 1, 16, 16)
    monkeypatch.setattr(events, "MOST_FIRING_IN_HALF", 1.0)
    ran = followed(monkeypatch)
    with lean(network, events=True), torch.autocast("cpu", torch.bfloat16):
        found = step(network, x)
    assert ran.count("forward") == ran.count("weight gradient") == 5
    assert all(torch.isfinite(value).all() for value in found.values())


def test_where_it_would_not_pay_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    ran, x = followed(monkeypatch), torch.randn(6, 1, 16, 16)
    few = Cnn7((1, 16, 16), 10, width=0.1)
    with lean(few, events=True):
        step(few, x)
    assert not ran  # channels
    network = Cnn7((1, 16, 16), 10, width=0.5)
    plain = copy.deepcopy(network)
    with lean(network, events=True), torch.no_grad():
        assert torch.equal(network.eval()(x), plain.eval()(x))
    assert not ran  # evaluation
    with lean(network.train(), events=True), torch.autocast("cpu", torch.float16):
        step(network, x)
    assert not ran  # half precision, the other one
    layer = SynapticConv2d(Real(), 32, 32, 3)
    assert convolve(layer, torch.ones(1, 32, 5, 5)) is None
    assert ran == ["count"]  # everything fires
    assert convolve(layer, torch.zeros(1, 32, 3, 2**11 + 1)) is None
    assert ran == ["count"]  # a row of more places than have numbers
    high = SynapticConv2d(Real(), 32, 32, (40, 1))
    assert convolve(high, torch.zeros(1, 32, 40, 2000)) is None
    assert ran == ["count"]  # a strip of more pixels
    wide = spikes_of((1, 32, 3, 2**11), 0.1, 0)
    followed_wide = convolve(layer, wide)
    assert followed_wide is not None
    assert_close(followed_wide, layer(wide), atol=1e-4, rtol=1e-4)


def test_there_is_no_gradient_of_the_gradient() -> None:
    layer, x = SynapticConv2d(Real(), 32, 32, 3), spikes_of((2, 32, 5, 5), 0.2, 0).requires_grad_()
    y = convolve(layer, x)
    assert y is not None
    (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()
