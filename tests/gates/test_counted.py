"""Counts of gated networks, held against loops over every spike, weight and block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from s3nn.clock import unroll
from s3nn.energy import LayerCounts, count, integer_rivals, lint
from s3nn.errors import S3nnError
from s3nn.gates import ChannelGate, Gated, SpatialGate, gated
from s3nn.graph.ir import Edge
from s3nn.graph.trace import trace
from s3nn.models import Cnn7, Parts
from s3nn.neurons import make_neuron

SHAPE = (1, 9, 8)  # an odd side: the last blocks are halves


def network(steps: int) -> nn.Module:
    """Gates of which some are shut: trained ones would take too long here."""
    neuron = "fire" if steps == 1 else "quantised_lif"
    model = unroll(Cnn7(SHAPE, 10, Parts(neuron), width=0.0625), steps)
    model = gated(model, spatial=True, channel=True).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (SpatialGate, ChannelGate)):
                module.conv.bias.normal_(std=0.5)
    return model


def accumulations(x: Tensor, channels: int) -> int:
    """Of a 3x3 convolution with padding 1: for every spike, the outputs that it reaches."""
    total, (height, width) = 0, x.shape[2:]
    for _, _, r, c in x.nonzero().tolist():
        rows = sum(0 <= r + d < height for d in (-1, 0, 1))
        columns = sum(0 <= c + d < width for d in (-1, 0, 1))
        total += rows * columns * channels
    return total


@pytest.mark.parametrize("steps", [1, 2])
def test_a_gated_spike_is_not_there_and_gates_are(steps: int) -> None:
    model, x = network(steps), torch.randn(3, *SHAPE)
    layer = model.get_submodule("features.1.0")
    seen: list[Tensor] = []
    layer.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    layer.behind.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(x)
    before, after = seen
    counts = count(model, [x])
    layers = {part.name: part for part in counts.layers}

    conv: LayerCounts = layers["features.1.0.behind"]
    assert conv.reads is Edge.SPIKE
    assert conv.acs == accumulations(after, 4) < accumulations(before, 4)
    assert conv.macs == 0
    assert counts.passed["features.1.0"] == after.sum() / before.sum()

    # Blocks: 5 x 4 of 9 x 8 pixels; every pixel of every channel is read once.
    samples, c, blocks = 3 * steps, 4, 5 * 4
    inside = sum(
        1
        for r in range(5)
        for q in range(4)
        for dr in (-1, 0, 1)
        for dq in (-1, 0, 1)
        if 0 <= r + dr < 5 and 0 <= q + dq < 4
    )
    spatial, channel = "features.1.0.gates.0", "features.1.0.gates.1"
    assert layers[f"{spatial}.pool"].adds == samples * c * (9 * 8 - blocks)
    assert layers[f"{spatial}.conv"].macs == samples * c * inside
    assert layers[f"{spatial}.conv"].adds == samples * blocks  # biases
    assert layers[f"{spatial}.decision"].neuron_updates == samples * blocks
    assert layers[f"{channel}.pool"].adds == samples * c * (9 * 8 - 1)
    assert layers[f"{channel}.softmax"].macs == samples * 2 * c
    assert layers[f"{channel}.softmax"].adds == samples * (c - 1)
    assert layers[f"{channel}.conv"].macs == samples * c * c
    assert layers[f"{channel}.decision"].neuron_updates == samples * c
    assert counts.uncounted == ()
    assert all(part.runs == steps for part in counts.layers if part.of_gate)


def test_spikes_behind_gates_are_spikes() -> None:
    sites = {site.name: site for site in trace(network(1))}
    passing = sites["features.1.0.passing"]
    assert passing.input_edges == (Edge.SPIKE,) * 3
    assert passing.output_edge is Edge.SPIKE
    assert sites["features.1.0.behind"].reads is Edge.SPIKE


def test_a_gate_that_scales_instead_of_dropping_is_found_out() -> None:
    model = network(1)
    decision = model.get_submodule("features.1.0.gates.1.decision")
    decision.forward = lambda logits: torch.sigmoid(logits)
    with pytest.raises(S3nnError, match=r"features\.1\.0\.passing: the network declares spike"):
        count(model, [torch.randn(2, *SHAPE)])


def test_firing_rates_and_rivals_are_those_of_the_network_without_gates() -> None:
    model, x = network(1), torch.randn(3, *SHAPE)
    counts = count(model, [x])
    neurons = [part for part in counts.layers if part.operation == "neuron"]
    assert counts.firing_rate == sum(n.spikes_out for n in neurons) / sum(
        n.outputs for n in neurons
    )
    plain = count(Cnn7(SHAPE, 10, width=0.0625), [x])
    with_gates, without = (integer_rivals(found, None)[0].energy_pj for found in (counts, plain))
    assert with_gates == pytest.approx(without)
    reasons = {finding.edge: finding.reason for finding in lint(model, counts)}
    assert any("gates.0.pool" in edge for edge in reasons)


def test_a_layer_that_is_called_gates_is_no_gate() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gates = nn.Sequential(nn.Linear(4, 6), make_neuron("fire", 6))
            self.read = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.read(self.gates(x))

    counts = count(Cell(), [torch.rand(2, 4)])
    assert not any(layer.of_gate for layer in counts.layers)
    gated_counts = count(gated(network(1), channel=True), [torch.rand(2, 1, 8, 8)])
    assert any(layer.of_gate for layer in gated_counts.layers)
    assert type(gated_counts).from_json(gated_counts.to_json()) == gated_counts


def test_a_gated_layer_that_runs_twice_is_told_apart() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fire = make_neuron("fire", 2)
            self.inner = Gated(nn.Conv2d(2, 2, 1), [ChannelGate(2)])
            self.again = make_neuron("fire", 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(self.again(self.inner(self.fire(x))))

    passed = count(Twice().eval(), [10 * torch.randn(4, 2, 3, 3)]).passed
    assert set(passed) <= {"inner", "inner#2"}
    assert "inner" in passed


def test_gates_are_of_the_models_precision() -> None:
    model = gated(Cnn7((1, 8, 8), 10, width=0.05).double(), channel=True, spatial=True)
    assert model.eval()(torch.randn(2, 1, 8, 8).double()).dtype == torch.float64
