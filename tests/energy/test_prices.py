"""Prices by hand, rivals by plugging the break-even rate back in, and what lint finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from s3nn.clock import unroll
from s3nn.energy import PRICE_LISTS, Counts, LayerCounts, count, integer_rivals, lint, price
from s3nn.energy.prices import Float32, Integer, WithMemory
from s3nn.energy.rivalry import _break_even, check_twin, price_lists
from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.models import Cnn7, Parts, Resnet18
from s3nn.neurons import make_neuron

SPIKES = LayerCounts(
    "conv", "conv", Edge.SPIKE, Edge.ANALOG, inputs=2000, outputs=400, spikes_in=100, acs=5000,
    dense=100_000, weights=300, weight_bits=32,
)  # fmt: skip
PIXELS = replace(SPIKES, reads=Edge.ANALOG, spikes_in=0, acs=0, macs=100_000, nonzero=60_000)
FIRES = LayerCounts(
    "fire", "neuron", Edge.ANALOG, Edge.SPIKE, inputs=400, outputs=400, spikes_out=40,
    neuron_updates=400, neurons=200,
)  # fmt: skip


def test_float_prices_by_hand() -> None:
    assert Float32().layer(SPIKES, 2).total_pj == pytest.approx(5000 * 0.9 / 2)
    assert Float32().layer(PIXELS, 2).total_pj == pytest.approx(100_000 * 4.6 / 2)
    assert Float32().layer(FIRES, 2).total_pj == pytest.approx(400 * 0.9 / 2)
    lif = replace(FIRES, states=1)
    assert Float32().layer(lif, 2).total_pj == pytest.approx(400 * (0.9 + 4.6) / 2)


@pytest.mark.parametrize(("bits", "mac_pj"), [(32, 0.3), (8, 0.3), (4, 0.2), (2, 0.15)])
def test_integer_prices_by_hand(bits: int, mac_pj: float) -> None:
    layer = replace(PIXELS, weight_bits=bits)
    assert Integer().layer(layer, 2).total_pj == pytest.approx(100_000 * mac_pj / 2)
    spikes = replace(SPIKES, weight_bits=bits)
    assert Integer().layer(spikes, 2).total_pj == pytest.approx(5000 * 0.1 / 2)


def test_memory_of_a_layer_that_reads_spikes() -> None:
    prices = WithMemory(Float32(), real_weight_bits=32, activation_bits=32)
    weight = 13.2 + 1.09e-5 * 300 * 32
    potential = 13.2 + 1.09e-5 * 200 * 32
    spike = 13.2 + 1.09e-5 * 1000
    expected = 100 * spike + 5000 * (weight + 2 * potential)
    assert prices.layer(SPIKES, 2).memory_pj == pytest.approx(expected / 2)
    assert prices.layer(SPIKES, 2).compute_pj == Float32().layer(SPIKES, 2).total_pj


def test_memory_of_a_layer_that_reads_values() -> None:
    prices = WithMemory(Integer(), real_weight_bits=8, activation_bits=8)
    weight, value = 13.2 + 1.09e-5 * 300 * 8, 13.2 + 1.09e-5 * 1000 * 8
    written = 400 * (13.2 + 1.09e-5 * 200 * 32)
    expected = 100_000 * (weight + value) + written
    assert prices.layer(PIXELS, 2).memory_pj == pytest.approx(expected / 2)


def test_a_neuron_without_memory_keeps_nothing() -> None:
    prices = WithMemory(Float32(), real_weight_bits=32, activation_bits=32)
    once = 400 * (13.2 + 1.09e-5 * 200 * 32)
    spikes = 40 * (13.2 + 1.09e-5 * 200)
    assert prices.layer(FIRES, 2).memory_pj == pytest.approx((once + spikes) / 2)
    lif = replace(FIRES, states=1)
    assert prices.layer(lif, 2).memory_pj == pytest.approx((2 * once + spikes) / 2)


def test_the_price_of_a_network_is_that_of_its_layers() -> None:
    counts = count(Cnn7((1, 8, 8), 10, width=0.125), [torch.randn(3, 1, 8, 8)])
    for prices in PRICE_LISTS.values():
        energy = price(counts, prices)
        assert energy.total_pj == pytest.approx(sum(x.total_pj for x in energy.layers))
        assert energy.total_pj == pytest.approx(energy.compute_pj + energy.memory_pj)
        assert prices.source
        assert prices.constants()


@pytest.fixture(scope="module")
def spiking() -> Counts:
    torch.manual_seed(1)
    return count(Cnn7((1, 16, 16), 10, width=0.25), [8 * torch.randn(4, 1, 16, 16)])


@pytest.fixture(scope="module")
def relu() -> Counts:
    torch.manual_seed(1)
    return count(Cnn7((1, 16, 16), 10, Parts("relu"), width=0.25), [8 * torch.randn(4, 1, 16, 16)])


def scaled(layer: LayerCounts, factor: float, bits: int) -> LayerCounts:
    """The layer with ``factor`` as many spikes, until all of its inputs or neurons fire."""
    layer = replace(layer, weight_bits=bits)
    if layer.reads is Edge.SPIKE and layer.acs:
        factor = min(factor, layer.dense / layer.acs)
        return replace(layer, acs=layer.acs * factor, spikes_in=layer.spikes_in * factor)
    return replace(layer, spikes_out=min(layer.spikes_out * factor, layer.outputs))


def at_rate(counts: Counts, rate: float, bits: int) -> Counts:
    def by(factor: float) -> Counts:
        return replace(counts, layers=tuple(scaled(x, factor, bits) for x in counts.layers))

    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if by(middle).firing_rate > rate else (middle, high)
    return by(low)


@pytest.mark.parametrize("twin", [True, False])
def test_at_the_break_even_rate_both_cost_the_same(
    spiking: Counts, relu: Counts, twin: bool
) -> None:
    for rival, bits in zip(integer_rivals(spiking, relu if twin else None), (8, 4), strict=True):
        for key, even in rival.break_even_firing_rate.items():
            cost = price(at_rate(spiking, even, bits), price_lists(bits)[key]).total_pj
            if 0 < even < 1:
                assert cost == pytest.approx(rival.energy_pj[key])
            else:
                assert (cost <= rival.energy_pj[key]) == (even == 1)
            wins = rival.own_energy_pj[key] < rival.energy_pj[key]
            assert wins == (spiking.firing_rate < even)
    assert 0.01 < spiking.firing_rate < 0.5


def test_a_layer_cannot_fire_more_than_always() -> None:
    """One layer fires at 90 %, one at 10 %; the rival costs what firing twice as often would."""
    busy, calm = (replace(FIRES, name=name, spikes_out=n) for name, n in (("a", 360), ("b", 40)))
    behind_busy = replace(SPIKES, name="c", acs=90_000)
    behind_calm = replace(SPIKES, name="d", acs=10_000)
    counts = Counts(2, (busy, behind_busy, calm, behind_calm), 0, 0)
    assert counts.firing_rate == 0.5
    prices, neurons_pj = Integer(), 400 * 0.1
    doubled_pj = (2 * neurons_pj + (100_000 + 20_000) * 0.1) / 2
    assert _break_even(counts, prices, doubled_pj) == pytest.approx((400 + 80) / 800)
    assert _break_even(counts, prices, 0.0) == 0
    always_pj = (2 * neurons_pj + 200_000 * 0.1) / 2
    assert _break_even(counts, prices, always_pj + 1) == 1


def test_zeros_skipped_cost_less_and_four_bits_less_than_eight(
    spiking: Counts, relu: Counts
) -> None:
    eight, four = integer_rivals(spiking, relu)
    dense = integer_rivals(spiking, None)[0]
    assert eight.name == "int8 ReLU, zeros skipped"
    assert dense.name == "int8 ReLU, dense"
    for key, energy_pj in eight.energy_pj.items():
        assert four.energy_pj[key] < energy_pj < dense.energy_pj[key]


def test_the_dense_rival_is_the_relu_network_whatever_the_steps(relu: Counts) -> None:
    torch.manual_seed(1)
    lif = unroll(Cnn7((1, 16, 16), 10, Parts("lif"), width=0.25), 3)
    counts = count(lif, [torch.randn(4, 1, 16, 16)])
    dense = integer_rivals(counts, None)[0].energy_pj["int8_45nm"]
    expected = price(relu, Integer()).total_pj
    assert dense == pytest.approx(expected, rel=1e-3)


def test_lint_of_a_plain_network_finds_the_first_layer_only() -> None:
    model = Cnn7((1, 8, 8), 10, width=0.125)
    findings = lint(model, count(model, [torch.randn(2, 1, 8, 8)]))
    assert [f.edge for f in findings] == ["input -> encode.0"]
    assert findings[0].energy_pj["float32_45nm"] == pytest.approx(4.6 * findings[0].macs)


def test_lint_of_a_residual_network() -> None:
    model = Resnet18((1, 16, 16), 10, width=0.0625)
    findings = lint(model, count(model, [torch.randn(2, 1, 16, 16)]))
    reasons = [f.reason for f in findings]
    assert sum("residual" in reason for reason in reasons) == 16
    assert sum("average of spikes" in reason for reason in reasons) == 2
    assert len(findings) == 1 + 16 + 2
    assert all(f.macs or f.adds for f in findings)


def test_lint_of_a_relu_network_names_the_neurons() -> None:
    model = Cnn7((1, 8, 8), 10, Parts("relu"), width=0.125)
    findings = lint(model, count(model, [torch.randn(2, 1, 8, 8)]))
    assert len(findings) == 7
    assert "the neurons features.0 emit analog values" in findings[1].reason


def test_lint_of_an_average_pool_inside() -> None:
    from s3nn.neurons import make_neuron

    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), make_neuron("fire", 2), nn.AvgPool2d(2), nn.Conv2d(2, 2, 2)
    )
    reasons = [f.reason for f in lint(model, count(model, [torch.randn(1, 1, 8, 8)]))]
    assert reasons[1:] == [
        "an average of spikes: additions, and a count behind it",
        "an average of spikes is a count: what reads it multiplies",
    ]


def test_a_networks_own_relu_pays_what_ours_pays() -> None:
    def pj(relu: nn.Module) -> float:
        network = nn.Sequential(nn.Linear(4, 5), relu, nn.Linear(5, 3))
        return price(count(network, [torch.ones(1, 4)]), PRICE_LISTS["int8_memory_45nm"]).total_pj

    assert pj(nn.ReLU()) == pytest.approx(pj(make_neuron("relu", channels=5)))


def test_a_silent_network_has_no_rival() -> None:
    network = Cnn7((1, 8, 8), 10, Parts("fire(threshold=1000)"), width=0.05)
    assert integer_rivals(count(network, [torch.randn(2, 1, 8, 8)]), None) == ()


def test_a_twin_is_a_relu_network_of_the_same_shape() -> None:
    x = torch.randn(2, 1, 8, 8)
    spikes, relu, narrow = (
        count(Cnn7((1, 8, 8), 10, Parts(neuron), width=width), [x])
        for neuron, width in (("fire", 0.1), ("relu", 0.1), ("relu", 0.05))
    )
    check_twin(spikes, relu)
    in_time = count(unroll(Cnn7((1, 8, 8), 10, Parts("lif"), width=0.1), 3), [x])
    check_twin(in_time, relu)
    with pytest.raises(UsageError, match="rival fires"):
        check_twin(spikes, spikes)
    with pytest.raises(UsageError, match="no twin of this network"):
        check_twin(spikes, narrow)
