"""Values of the chip, gradients of the model."""

from __future__ import annotations

import copy
from math import exp
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.chip import Events, VirtualChip, on_chip
from s3nn.chip.host import SINGLE_STEP_TAU, to_integers, volley
from s3nn.clock import Scan, Unroll, make_readout, unroll
from s3nn.clock.encoders import Latency
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Cnn7, Mlp, OneHidden, Parts
from s3nn.neurons import make_neuron
from s3nn.surrogates import Superspike

STEPS, SIDE = 12, 6


def network(chip: VirtualChip, neuron: str = "cuba(tau_s=3, tau_m=5, threshold=0.8)") -> nn.Module:
    """A network in time whose weights are among those that ``chip`` can hold; float64."""
    torch.manual_seed(0)
    model = OneHidden((1, SIDE, SIDE), 4, Parts(neuron), width=0.1, gain=0.6, mean=0.02)
    encoder, over_time = Latency(STEPS, least=0.2, tau=3), make_readout("max", STEPS)
    net = unroll(
        model, STEPS, encoder, over_time, make_neuron("integrator(tau_s=3, tau_m=5)", 4)
    ).double()
    limits = chip.limits
    step = limits.full_scale / limits.largest_weight
    with torch.no_grad():
        for parameter, unit in zip(net.parameters(), (0.8 * step, step), strict=True):
            most = limits.largest_weight * unit
            parameter.copy_((parameter.clamp(-most, most) / unit).round() * unit)
    return net


@pytest.fixture
def images() -> Tensor:
    return torch.rand(9, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).double()


def put(net: nn.Module, chip: VirtualChip) -> Unroll:
    return on_chip(copy.deepcopy(net), chip)


def test_without_faults_it_is_the_model(images: Tensor, faultless: dict[str, Any]) -> None:
    chip = VirtualChip(0, **faultless)
    net = network(chip)
    assert isinstance(net, Unroll)
    hidden: list[Tensor] = []
    net.features.register_forward_hook(lambda m, i, out: hidden.append(out))
    there = put(net, chip)
    logits, on = net(images), there(images)
    assert 0.01 < hidden[0].mean() < 0.5
    assert torch.equal(hidden[0], hidden[1])
    assert_close(on, logits, atol=2 * chip.limits.sample_step, rtol=0)


def test_values_are_measured(images: Tensor) -> None:
    """And in eval mode the same ones twice, in training others every time."""
    chip = VirtualChip(1, mismatch=0.3)
    there = put(network(chip), chip)
    outputs = there.each_step(images)
    measured = there.get_submodule("output").measured.potential
    assert torch.equal(outputs, measured)
    assert not torch.equal(there.each_step(images), outputs)
    there.eval()
    assert torch.equal(there(images), there(images))
    with torch.no_grad():
        assert torch.equal(
            there.each_step(images), there.get_submodule("output").measured.potential
        )


class _Replaced(torch.autograd.Function):
    """As in the authors' code: forward another tensor, backward to the first."""

    @staticmethod
    def forward(ctx, model, measured):  # type: ignore[no-untyped-def]
        return measured.clone()

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return grad, None


class _Superspike(torch.autograd.Function):
    """As in the authors' code, of v above threshold."""

    @staticmethod
    def forward(ctx, above):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(above)
        return (above > 0).to(above.dtype)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return grad / (50 * ctx.saved_tensors[0].abs() + 1) ** 2


def test_gradients_are_those_of_the_authors_model(images: Tensor) -> None:
    """Their recursion, which is a step later a layer, around what the chip measured."""
    chip = VirtualChip(1, mismatch=0.3, dtype=torch.float64)
    tau = 1 / (1 - exp(-1.7 / 6))
    neuron = f"cuba(tau_s={tau}, tau_m={tau}, surrogate=superspike(slope=50))"
    net = network(chip, neuron)
    assert isinstance(net, Unroll)
    assert isinstance(net.output, Scan)
    net.output.neuron = make_neuron(f"integrator(tau_s={tau}, tau_m={tau})", 4).double()
    there = put(net, chip)
    weights = torch.randn(len(images), 4, dtype=torch.float64)
    (there(images) * weights).sum().backward()
    found = [p.grad for p in there.parameters()]
    hidden, out = (there.get_submodule(n).measured for n in ("features.0", "output"))

    shown = there.encoder.encoder(images).flatten(1).unflatten(0, (STEPS, -1))
    w_hidden, w_out = (p.detach().clone().requires_grad_() for p in there.parameters())
    a = b = exp(-1.7 / 6)

    def later(x: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(x[:1]), x])

    zeros = torch.zeros_like(hidden.potential[0])
    spikes, current, trace = [zeros], zeros, zeros
    v_hidden, s_hidden = later(hidden.potential), later(hidden.spikes)
    for t in range(STEPS):
        current = a * current + shown[t] @ w_hidden.T
        trace = _Replaced.apply(b * trace + current, v_hidden[t + 1])
        spikes.append(_Replaced.apply(_Superspike.apply(trace - 1.0), s_hidden[t + 1]))
    current = trace = torch.zeros_like(out.potential[0])
    traces, v_out = [], later(out.potential)
    for t in range(STEPS):
        current = a * current + spikes[t + 1] @ w_out.T
        trace = _Replaced.apply(b * trace + current, v_out[t + 1])
        traces.append(trace)
    (torch.stack(traces).amax(0) * weights).sum().backward()
    for grad, expected in zip(found, (w_hidden.grad, w_out.grad), strict=True):
        assert expected.abs().max() > 1e-3
        assert_close(grad, expected, rtol=1e-6, atol=1e-9)


def test_weights_saturate_at_63() -> None:
    limits = VirtualChip().limits
    weights = torch.tensor([-1.0, -0.2625, 0.0, 0.0021, 0.1, 0.3])
    assert to_integers(weights, limits, 240).tolist() == [-63, -63, 0, 1, 24, 63]
    two_bits = VirtualChip(bits=2).limits
    assert to_integers(weights, two_bits, 3 / 0.2625).tolist() == [-3, -3, 0, 0, 1, 3]


def test_a_read_out_is_scaled_to_fit(images: Tensor, faultless: dict[str, Any]) -> None:
    chip = VirtualChip(0, **faultless)
    net = network(chip)
    with torch.no_grad():
        net.get_submodule("readout").weight.mul_(5)
    there = put(net, chip)
    largest = there.encoder.layers[1].layer(chip.limits, 1).weights
    assert abs(largest).max() == 63
    rounded = 5 * STEPS * chip.limits.full_scale / 63  # what rounding may do to an output
    assert_close(there(images), net(images), atol=rounded, rtol=0)


def single_step(chip: VirtualChip, threshold: float = 0.7) -> nn.Module:
    torch.manual_seed(0)
    model = OneHidden((1, SIDE, SIDE), 4, Parts(f"fire(threshold={threshold})"), 0.1, gain=0.8)
    net = unroll(model, 1, Latency(1, least=0.4), make_readout("mean", 1)).double()
    _, peak = volley()
    step = chip.limits.full_scale / chip.limits.largest_weight * peak
    with torch.no_grad():
        for parameter, unit in zip(net.parameters(), (threshold * step, step), strict=True):
            most = chip.limits.largest_weight * unit
            parameter.copy_((parameter.clamp(-most, most) / unit).round() * unit)
    return net


def test_a_single_step_is_a_volley_a_layer(images: Tensor, faultless: dict[str, Any]) -> None:
    chip = VirtualChip(0, **faultless)
    net = single_step(chip)
    there = put(net, chip)
    hidden: list[Tensor] = []
    for one in (net, there):
        one.get_submodule("features").register_forward_hook(lambda m, i, out: hidden.append(out))
    logits, on = net(images), there(images)
    assert 0.05 < hidden[0].mean() < 0.9
    assert torch.equal(hidden[0], hidden[1])
    assert_close(on, logits, atol=1e-4, rtol=0)


def test_a_volley_peaks_where_it_is_looked_at() -> None:
    at, peak = volley(SINGLE_STEP_TAU)
    kept = exp(-1 / SINGLE_STEP_TAU)
    course = [(t + 1) * kept**t for t in range(100)]
    assert peak == max(course) == course[at]


def test_the_gradient_of_a_single_step(images: Tensor) -> None:
    """The surrogate's, at what was measured where a neuron kept silent, else at the model's u."""
    chip = VirtualChip(2, mismatch=0.3)
    net = single_step(chip, 1.0)
    net.get_submodule("features.0").surrogate = Superspike(slope=5)
    there = put(net, chip)
    logits = there(images)
    logits.square().sum().backward()
    fire, out = there.get_submodule("features.0"), there.get_submodule("output")
    w_hidden, w_out = (p.detach() for p in there.parameters())
    x = there.encoder.encoder(images).flatten(1)
    fired, u = fire.measured.spikes[0], fire.measured.potential[0]
    u = torch.where(fired > 0, (x @ w_hidden.T).clamp(min=1), u.clamp(max=1))
    grad_out = 2 * out.measured.potential[0]
    grad_hidden = (grad_out @ w_out) / (1 + 5 * (u - 1).abs()) ** 2
    found = [p.grad for p in there.parameters()]
    assert_close(found[1], grad_out.T @ fired)
    assert_close(found[0], grad_hidden.T @ x)


def in_time(model: nn.Module, output: str | None = "integrator") -> nn.Module:
    neurons = None if output is None else make_neuron(output, 10)
    return unroll(model, 4, Latency(4, least=0.2), make_readout("max", 4), neurons)


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (lambda: Mlp((1, 8, 8), 10), "an image that is not spikes"),
        (lambda: in_time(Mlp((1, 8, 8), 10, Parts("cuba"))), "encode.1.1 .BatchNorm1d. on a chip"),
        (lambda: in_time(Cnn7((1, 8, 8), 10, Parts("cuba"))), "Conv2d. on a chip"),
        (lambda: in_time(OneHidden((1, 8, 8), 10, Parts("lif"))), "lif over 4 steps"),
        (lambda: in_time(OneHidden((1, 8, 8), 10, Parts("cuba(learn=True)"))), "cuba over 4 steps"),
        (lambda: in_time(OneHidden((1, 8, 8), 10, Parts("cuba")), None), "whose outputs nobody"),
        (
            lambda: in_time(OneHidden((1, 8, 8), 10, Parts("cuba(reset=soft)"))),
            "cuba with reset=so",
        ),
    ],
)
def test_networks_that_no_chip_takes(net, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnsupportedError, match=says):
        on_chip(net(), VirtualChip())


def test_a_network_that_is_too_large() -> None:
    there = on_chip(in_time(OneHidden((1, 8, 8), 11, Parts("cuba"))), VirtualChip())
    with pytest.raises(UsageError, match="layer 2 needs the neurons 246 to 256"):
        there(torch.rand(2, 1, 8, 8))


def test_a_network_that_is_refused_stays_whole() -> None:
    network = in_time(OneHidden((1, 8, 8), 10, Parts("cuba")), None)
    kinds = [type(module) for module in network.modules()]
    with pytest.raises(UnsupportedError):
        on_chip(network, VirtualChip())
    assert [type(module) for module in network.modules()] == kinds
    network(torch.rand(2, 1, 8, 8))


def test_events_before_the_start_are_in_no_step() -> None:
    events = Events(np.zeros(2, int), np.zeros(2, int), np.array([-0.1, 1.5]))
    assert events.in_steps(4, 1, 1).ravel().tolist() == [0, 1, 0, 0]
