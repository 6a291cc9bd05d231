"""Counts against nested loops over every position, channel and tap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from s3nn.clock import unroll
from s3nn.energy import Counts, count
from s3nn.energy.counts import LayerCounts
from s3nn.errors import RunFolderError, S3nnError, UsageError
from s3nn.graph.ir import Edge
from s3nn.models import Cnn7, Mlp, Parts, Resnet18, Vgg11
from s3nn.neurons import Neuron, make_neuron


def layer(counts: Counts, name: str) -> LayerCounts:
    return next(x for x in counts.layers if x.name == name)


def brute_force(conv: nn.Conv2d, x: Tensor) -> tuple[int, int]:
    """(accumulations of the non-zero inputs, accumulations of all inputs), by loops."""
    out = conv(x)
    (ky, kx), (sy, sx) = conv.kernel_size, conv.stride
    (py, px), (dy, dx) = conv.padding, conv.dilation
    c_in, c_out = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    nonzero = dense = 0
    for n in range(x.shape[0]):
        for o in range(conv.out_channels):
            for y in range(out.shape[2]):
                for z in range(out.shape[3]):
                    for c in range(c_in):
                        for i in range(ky):
                            for j in range(kx):
                                row, col = y * sy - py + i * dy, z * sx - px + j * dx
                                if 0 <= row < x.shape[2] and 0 <= col < x.shape[3]:
                                    dense += 1
                                    channel = (o // c_out) * c_in + c
                                    nonzero += int(x[n, channel, row, col] != 0)
    return nonzero, dense


@settings(max_examples=25, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 1)),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    height=st.integers(5, 7),
    width=st.integers(5, 8),
    seed=st.integers(0, 1000),
)
def test_a_convolution_of_spikes(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: int,
    groups: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    conv = nn.Conv2d(2, 4, kernel, stride, padding, dilation, groups, bias=False)
    model = nn.Sequential(make_neuron("fire", 2), conv)
    u = torch.randn(2, 2, height, width, generator=torch.Generator().manual_seed(seed)) + 1
    counted = layer(count(model, [u]), "1")
    acs, dense = brute_force(conv, (u > 1).float())
    assert (counted.acs, counted.dense, counted.macs) == (acs, dense, 0)
    assert counted.spikes_in == int((u > 1).sum())


def test_an_image_of_zeros_and_ones_is_analog() -> None:
    conv = nn.Conv2d(1, 3, 3, padding=1)
    image = torch.randint(0, 2, (2, 1, 5, 5)).float()
    counted = layer(count(nn.Sequential(conv), [image]), "0")
    nonzero, dense = brute_force(conv, image)
    assert counted.reads is Edge.ANALOG
    assert (counted.macs, counted.acs, counted.nonzero) == (dense, 0, nonzero)
    assert counted.adds == 2 * 3 * 5 * 5, "a bias is one addition an output"


def test_signs_are_never_silent() -> None:
    conv = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    x = torch.randn(2, 2, 4, 4)
    counted = layer(count(nn.Sequential(make_neuron("sign", 2), conv), [x]), "1")
    assert counted.acs == brute_force(conv, torch.ones_like(x))[1]
    assert counted.macs == 0


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding: str) -> None:
    conv = nn.Conv2d(1, 1, 3, padding=padding, bias=False)
    by_number = nn.Conv2d(1, 1, 3, padding=1 if padding == "same" else 0, bias=False)
    x = torch.randn(1, 1, 5, 6)
    assert count(nn.Sequential(conv), [x]).macs == brute_force(by_number, x)[1]


def test_a_linear_layer_and_its_bias() -> None:
    model = nn.Sequential(make_neuron("fire", 4), nn.Linear(4, 3))
    x = torch.tensor([[2.0, 0, 2, 0], [0, 0, 0, 2]])
    counted = layer(count(model, [x]), "1")
    assert (counted.acs, counted.adds, counted.dense) == (3 * 3, 2 * 3, 2 * 4 * 3)


def test_residual_sums_and_averages_are_additions() -> None:
    model = Resnet18((1, 8, 8), 10, width=0.0625)
    counts = count(model, [torch.randn(3, 1, 8, 8)])
    sums = [x for x in counts.layers if x.operation == "add"]
    assert len(sums) == 16
    assert all(x.adds == x.outputs for x in sums)
    *skips, last = (x for x in counts.layers if x.operation == "avg_pool")
    assert [x.reads for x in skips] == [Edge.ANALOG] * 3, "potentials, where the size changes"
    assert (last.reads, last.writes) == (Edge.SPIKE, Edge.COUNT)
    assert all(x.adds == x.inputs - x.outputs for x in (*skips, last))
    readout = layer(counts, "readout")
    assert (readout.acs, readout.macs) == (0, 3 * 32 * 10), "a count is multiplied"


def test_every_convolution_of_a_residual_network_reads_spikes() -> None:
    counts = count(Resnet18((3, 16, 16), 10, width=0.0625), [torch.randn(2, 3, 16, 16)])
    convolutions = [x for x in counts.layers if x.operation == "conv"]
    assert [x.reads for x in convolutions] == [Edge.ANALOG, *[Edge.SPIKE] * 16]


def test_overlapping_average_pools() -> None:
    pool = nn.AvgPool2d(3, stride=1)
    model = nn.Sequential(make_neuron("fire", 1), pool)
    assert layer(count(model, [torch.randn(1, 1, 5, 5)]), "1").adds == 9 * (9 - 1)


def test_steps_add_up() -> None:
    """Three steps of LIF are three passes with the state kept by hand."""
    torch.manual_seed(0)
    model = Mlp((1, 4, 4), 5, Parts("lif"), width=0.05).eval()
    x = 3 * torch.randn(4, 1, 4, 4)
    counts = count(unroll(model, 3), [x])
    current = model.encode(x)
    first, linear, second = model.features
    states: list[Tensor | None] = [None, None]
    spikes = 0
    for _ in range(3):
        s, states[0] = first.step(current, states[0])
        t, states[1] = second.step(linear(s), states[1])
        spikes += int(s.sum()) * linear[0].out_features + int(t.sum()) * 5
    assert counts.acs == spikes > 0
    assert counts.macs == 4 * 16 * model.encode[1][0].out_features, "the image is coded once"
    assert counts.neuron_updates == 3 * 4 * 2 * 20
    assert {x.runs for x in counts.layers} == {1, 3}
    assert all(x.neurons == 20 for x in counts.layers if x.operation == "neuron")


@pytest.mark.parametrize("neuron", ["relu", "fire", "sign"])
@pytest.mark.parametrize("kind", [Mlp, Cnn7, Vgg11, Resnet18])
def test_dense_operations_do_not_depend_on_the_neuron(kind: type, neuron: str) -> None:
    model = kind((1, 16, 16), 10, Parts(neuron), width=0.0625)
    counts = count(model, [8 * torch.randn(2, 1, 16, 16)])
    dense = 2 * accumulations(kind.__name__)
    assert sum(x.dense for x in counts.layers) == dense
    if neuron == "relu":
        assert counts.macs == dense
        assert counts.firing_rate is None
    elif neuron == "sign":
        assert counts.acs + counts.macs == dense
        assert counts.firing_rate is None
    else:
        assert counts.acs < dense - counts.macs
        assert 0 < counts.firing_rate < 1


def taps(side: int, stride: int = 1) -> tuple[int, int]:
    """Taps of a 3-wide kernel, padded by one, that meet an input along one axis; the outputs."""
    outputs = (side - 1) // stride + 1
    inside = [0 <= y * stride - 1 + i < side for y in range(outputs) for i in range(3)]
    return sum(inside), outputs


def accumulations(kind: str) -> int:
    """Of one 16x16 image at width 1/16, from the layer lists alone."""
    if kind == "Mlp":
        return 256 * 25 + 25 * 25 + 25 * 10
    total, side, before = 0, 16, 1
    if kind == "Resnet18":
        plan = [(4, 1)] + [(c, s if i == 0 else 1) for c, s in _STAGES for i in range(4)]
        for channels, stride in plan:
            met, side = taps(side, stride)
            total, before = total + met * met * before * channels, channels
        return total + before * 10
    pools = {"Cnn7": "4 4P 8 8P 16 16P", "Vgg11": "4P 8P 16 16P 32 32P 32 32P"}[kind]
    for word in pools.split():
        channels = int(word.rstrip("P"))
        met, _ = taps(side)
        total, before = total + met * met * before * channels, channels
        side = -(-side // 2) if word.endswith("P") else side
    return total + before * side * side * 10


_STAGES = ((4, 1), (8, 2), (16, 2), (32, 2))


def test_batches_add_up_and_the_mode_is_given_back() -> None:
    model = Cnn7((1, 8, 8), 10, width=0.0625)
    x = torch.randn(5, 1, 8, 8)
    whole, parts = count(model, [x]), count(model, [(x[:2], torch.zeros(2)), (x[2:], None)])
    assert whole == parts
    assert count(model, [x[:2]]) + count(model, [x[2:]]) == whole
    assert model.training
    assert Counts.from_json(whole.to_json()) == whole


def test_bits() -> None:
    real = count(Mlp((1, 4, 4), 10, width=0.05), [torch.zeros(1, 1, 4, 4)])
    assert real.weight_bits == 32 * real.parameters
    few = count(Mlp((1, 4, 4), 10, Parts(synapse="integer(bits=4)"), width=0.05), [_ZERO])
    ends = (16 * 20 + 20 * 10) * 8 + 30 * 32
    assert few.weight_bits == ends + 20 * 20 * 4 + 20 * 32 + (4 * 20 + 10) * 32


_ZERO = torch.zeros(1, 1, 4, 4)


def test_a_declaration_that_does_not_hold() -> None:
    class Liar(Neuron):
        emits = Edge.SPIKE

        def forward(self, current: Tensor) -> Tensor:
            return current / 2

    with pytest.raises(S3nnError, match=r"0: the network declares spike here, but 0\.5"):
        count(nn.Sequential(Liar(), nn.Linear(3, 2)), [torch.ones(1, 3)])


def test_nothing_to_count() -> None:
    with pytest.raises(UsageError, match="no batch"):
        count(nn.Sequential(nn.Linear(3, 2)), [])
    with pytest.raises(UsageError, match="an image in it"):
        count(nn.Sequential(nn.Linear(3, 2)), [torch.ones(0, 3)])
    assert count(nn.Sequential(nn.Linear(3, 2)), [torch.ones(0, 3), torch.ones(5, 3)]).samples == 5


def test_counts_of_older_files_are_read() -> None:
    """They lack the bits of a potential, and say temporal for one value that is kept."""
    counts = count(unroll(Mlp((1, 4, 4), 3, Parts("lif"), width=0.02), 2), [torch.rand(2, 1, 4, 4)])
    tree = counts.to_json()
    for layer in tree["layers"]:
        del layer["potential_bits"]
        layer["temporal"] = bool(layer.pop("states"))
    assert Counts.from_json(tree) == counts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree["layers"][1].update(acs="many"), r"acs is 'many', but should be an int"),
        (lambda tree: tree["layers"][1].update(reads="light"), r"'light', but should be one of"),
        (lambda tree: tree["layers"][1].pop("macs"), r"expected \['acs', "),
        (lambda tree: tree.update(layers={}), r"counts is damaged: it has no list of layers"),
        (lambda tree: tree.pop("samples"), r"counts lacks 'samples'"),
    ],
)
def test_damaged_counts_say_what_is_wrong(change: Callable[[Any], Any], message: str) -> None:
    tree = count(Mlp((1, 4, 4), 3, width=0.02), [torch.rand(2, 1, 4, 4)]).to_json()
    assert Counts.from_json(tree).samples == 2
    change(tree)
    with pytest.raises(RunFolderError, match=message):
        Counts.from_json(tree)
