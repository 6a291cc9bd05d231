"""Counting in networks that are not ours: pools, functions, steps by hand, modes, precision."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from s3nn.energy import LayerCounts, count
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.ir import Edge
from s3nn.models import Mlp, Parts
from s3nn.neurons import make_neuron


class Calls(nn.Module):
    """Neurons, a convolution, and a forward pass of its own."""

    def __init__(self, neuron: str = "fire") -> None:
        super().__init__()
        self.conv, self.neurons = nn.Conv2d(2, 2, 3, bias=False), make_neuron(neuron, 2)


def last(model: nn.Module, x: Tensor) -> LayerCounts:
    return count(model, [x]).layers[-1]


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    ceil=st.booleans(),
    side=st.integers(4, 8),
)
def test_an_average_pool_reads_no_padding(
    kernel: int, stride: int, padding: int, ceil: bool, side: int
) -> None:
    padding = min(padding, kernel // 2)
    pool = nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil, divisor_override=1)
    x = torch.ones(2, 1, side, side + 1)
    # With a divisor of one, an average of ones is the number of ones that it reads.
    reads = int(pool(x).sum())
    assert last(nn.Sequential(pool), x).adds == reads - pool(x).numel()


@pytest.mark.parametrize("sides", [(8, 3), (7, 2), (5, 5), (6, 1)])
def test_an_adaptive_pool_has_windows_of_several_sizes(sides: tuple[int, int]) -> None:
    inputs, outputs = sides
    x = torch.eye(inputs)[:, None]  # one image a pixel: how many windows read it
    reads = int((nn.AdaptiveAvgPool1d(outputs)(x) > 0).sum())
    found = last(nn.Sequential(nn.AdaptiveAvgPool1d(outputs)), torch.ones(1, 1, inputs))
    assert found.adds == reads - outputs


def test_a_pool_is_a_pool_as_a_function() -> None:
    class Functions(Calls):
        def forward(self, x: Tensor) -> Tensor:
            s = self.neurons(x)
            pooled = functional.avg_pool2d(s, 3, padding=1, stride=2)
            return functional.adaptive_avg_pool2d(pooled, 2)

    x = torch.randn(3, 2, 8, 8)
    modules = nn.Sequential(
        make_neuron("fire", 2), nn.AvgPool2d(3, 2, 1), nn.AdaptiveAvgPool2d((2, 2))
    )
    adds = [[layer.adds for layer in count(m, [x]).layers] for m in (Functions(), modules)]
    assert adds[0] == adds[1]
    assert adds[0][1] > 0


def test_steps_by_hand_run_as_often_as_they_do() -> None:
    class Repeats(Calls):
        def forward(self, x: Tensor) -> Tensor:
            current = self.conv(x).repeat(3, 1, 1, 1)
            return self.neurons(current).unflatten(0, (3, -1)).mean(0).flatten(1)

    counts = count(Repeats(), [torch.randn(2, 2, 6, 6)])
    assert [x.runs for x in counts.layers] == [1, 3, 3, 3, 1, 1]
    neurons = next(x for x in counts.layers if x.operation == "neuron")
    assert (neurons.neurons, neurons.neuron_updates) == (2 * 4 * 4, 2 * 3 * 2 * 4 * 4)


def test_sizes_are_no_operations() -> None:
    class Sizes(Calls):
        def forward(self, x: Tensor) -> Tensor:
            s = self.neurons(x)
            return s.view(s.shape[0], s.size(1) * s.shape[2] * s.shape[3])

    counts = count(Sizes(), [torch.randn(2, 2, 4, 4)])
    assert [x.operation for x in counts.layers] == ["neuron", "reshape"]
    assert counts.uncounted == ()


def test_spikes_that_are_written_over_in_place_were_spikes() -> None:
    class InPlace(Calls):
        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.neurons(x).add_(x))

    counts = count(InPlace(), [torch.randn(2, 2, 4, 4)])
    assert [x.reads for x in counts.layers] == [Edge.ANALOG] * 3
    assert counts.adds == 2 * 2 * 4 * 4


def test_convolutions_of_one_and_three_axes() -> None:
    x = torch.ones(2, 3, 5)
    one = last(nn.Sequential(nn.Conv1d(3, 4, 3, padding=1, bias=False)), x)
    assert one.macs == 2 * 3 * 4 * (3 * 5 - 2)
    three = nn.Conv3d(2, 2, (1, 2, 3), groups=2, bias=False)
    counted = last(nn.Sequential(make_neuron("fire", 2), three), 2 * torch.ones(1, 2, 3, 4, 5))
    assert counted.acs == counted.dense == 2 * (3 * 1) * (3 * 2) * (3 * 3)


def test_what_is_not_counted_is_named() -> None:
    model = nn.Sequential(make_neuron("fire", 2), nn.ConvTranspose2d(2, 2, 3), nn.LayerNorm(6))
    counts = count(model, [torch.randn(1, 2, 4, 4)])
    assert counts.uncounted == ("1", "2")
    assert counts.macs == 0


def test_a_relu_is_a_neuron_update_wherever_it_stands() -> None:
    x = torch.randn(2, 3)
    plain, ours = (nn.Sequential(nn.Linear(3, 4), n) for n in (nn.ReLU(), make_neuron("relu", 4)))
    assert count(plain, [x]).neuron_updates == count(ours, [x]).neuron_updates == 8
    assert count(plain, [x]).firing_rate is None


def test_every_module_gets_its_mode_back() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    model[1].eval()  # a batch-norm that fine-tuning leaves alone
    modes = [m.training for m in model.modules()]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    count(model, [torch.randn(2, 1, 4, 4)])
    assert [m.training for m in model.modules()] == modes
    assert all(bool((v == before[k]).all()) for k, v in model.state_dict().items())


def test_numbers_beyond_what_a_32_bit_float_counts_to() -> None:
    spikes = torch.ones(2**12, 2**12 + 1)  # 2^24 + 2^12 of them, in steps a float would miss
    spikes[0, 0] = 0
    neurons = make_neuron("fire(threshold=0.5)", 2**12 + 1)
    assert last(nn.Sequential(neurons), spikes).spikes_out == 2**24 + 2**12 - 1


def test_counts_of_different_models_do_not_add_up() -> None:
    x = torch.ones(1, 3)
    small, large = (count(nn.Sequential(nn.Linear(3, n)), [x]) for n in (2, 4))
    with pytest.raises(UsageError, match=r"0 \(linear, 6 weights, 0 neurons\) and 0 \(linear, 12"):
        small + large
    longer = count(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), [x])
    with pytest.raises(UsageError, match="one has 1 operations, the other 2"):
        small + longer


def test_errors_are_ours_and_short() -> None:
    class Pair(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

    with pytest.raises(UnsupportedError, match="a model of the inputs a, b"):
        count(Pair(), [torch.ones(1)])
    reflecting = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(UnsupportedError) as error:
        count(reflecting, [torch.ones(1, 1, 4, 4)])
    assert "\n" not in str(error.value), "torch.fx adds its own traceback"


def test_rivals_that_skip_zeros_skip_the_image_for_both() -> None:
    from s3nn.energy import integer_rivals, price
    from s3nn.energy.prices import Integer
    from s3nn.models import Cnn7, Parts

    image = torch.zeros(2, 1, 8, 8)
    image[..., 4] = 100.0  # only a column of the image is not black
    counts, relu = (count(Cnn7((1, 8, 8), 10, Parts(n), 0.25), [image]) for n in ("fire", "relu"))
    for layers in (counts.layers, relu.layers):
        assert 0 < layers[0].nonzero < layers[0].macs
    eight = integer_rivals(counts, relu)[0]
    saved = (counts.layers[0].macs - counts.layers[0].nonzero) * 0.3 / counts.samples
    own = price(counts, Integer()).total_pj
    assert eight.own_energy_pj["int8_45nm"] == pytest.approx(own - saved)


def test_what_gives_several_tensors_is_named_as_not_counted() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.read = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.read(self.lstm(x)[0])

    assert count(Recurrent(), [torch.randn(2, 4, 8)]).uncounted == ("lstm",)


@pytest.mark.parametrize(
    ("batches", "says"),
    [
        (torch.randn(5, 4), r"count\(model, \[images\]\)"),
        ([(torch.randn(4), 1)], "DataLoader"),
        ([torch.zeros(5, 4, dtype=torch.uint8)], "met torch.uint8 of the shape"),
        ([torch.randn(4)], r"of the shape \(4,\)"),
    ],
)
def test_what_are_no_batches_is_refused(batches: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        count(nn.Sequential(nn.Linear(4, 3)), batches)


def test_shared_weights_are_stored_once() -> None:
    model = Mlp((1, 2, 2), 4, Parts(synapse="integer(bits=4)"), width=0.01)
    tied = nn.ModuleList([model.readout, copy.deepcopy(model.readout)])
    apart = count(nn.Sequential(*tied), [torch.zeros(1, 4)]).weight_bits
    tied[1].weight = tied[0].weight
    shared = count(nn.Sequential(*tied), [torch.zeros(1, 4)]).weight_bits
    assert apart - shared == tied[0].weight.numel() * 8  # a read-out has 8 bits
