"""Edges are typed by structure, through whatever torch.fx can follow."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from s3nn.clock import unroll
from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Edge
from s3nn.graph.trace import trace
from s3nn.models import Cnn7, Parts
from s3nn.neurons import make_neuron


def edges(model: nn.Module) -> dict[str, tuple[str, str]]:
    return {s.name: (s.operation, s.output_edge.value) for s in trace(model)}


def test_types_go_through_what_keeps_them() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        make_neuron("fire", 2),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(2, 3),
        make_neuron("sign", 3),
        nn.Linear(3, 2),
        nn.ReLU(),
    )
    assert list(edges(model).values()) == [
        ("conv", "analog"),
        ("neuron", "spike"),
        ("max_pool", "spike"),
        ("reshape", "spike"),
        ("reshape", "spike"),
        ("linear", "analog"),
        ("neuron", "sign"),
        ("linear", "analog"),
        ("activation", "analog"),
    ]


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fire = make_neuron("fire", 2)

    def forward(self, x: Tensor) -> Tensor:
        s = self.fire(x)
        both = torch.cat([s, s.flip(1)], 1)
        together = torch.cat([s, x], 1)
        mean = s.mean((2, 3))
        again = self.fire(both + together)
        return again.flatten(1).sum(1) + mean.sum(1)


def test_functions_and_methods() -> None:
    found = edges(Branches())
    assert found["fire"] == ("neuron", "spike")
    assert found["cat"] == ("concatenate", "analog"), "flip is not known to keep spikes"
    assert found["cat_1"] == ("concatenate", "analog")
    assert found["mean"] == ("avg_pool", "count")
    assert found["add"] == ("add", "analog")
    assert found["fire#2"] == ("neuron", "spike")


class WrittenOver(nn.Module):
    def __init__(self, relu: bool) -> None:
        super().__init__()
        self.fire, self.relu = make_neuron("fire", 2), relu
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = self.fire(x)
        if self.relu:
            torch.nn.functional.relu(s, True)
        else:
            s.mul_(x)
        y: Tensor = self.conv(s)
        return y


@pytest.mark.parametrize("relu", [False, True])
def test_spikes_that_are_written_over_are_spikes_no_more(relu: bool) -> None:
    conv = trace(WrittenOver(relu))[-1]
    assert conv.reads == Edge.ANALOG
    assert conv.inputs == (("relu",) if relu else ("mul",))


def test_the_steps_of_an_unrolled_network() -> None:
    sites = trace(unroll(Cnn7((1, 8, 8), 10, Parts("lif"), width=0.0625), 4))
    assert [s.runs for s in sites if s.name.startswith("encode.")] == [1, 1]
    assert {s.runs for s in sites if s.name.startswith(("features", "readout"))} == {4}
    assert {s.output_edge for s in sites if s.operation == "neuron"} == {Edge.SPIKE}


def test_a_network_that_branches_on_values() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UnsupportedError, match=r"following Branching with torch\.fx"):
        trace(Branching())
