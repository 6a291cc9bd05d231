"""One rule of edge types a line: what an operation makes of spikes, signs, counts and values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from s3nn.clock import unroll
from s3nn.graph.trace import trace, traced
from s3nn.models import Mlp, Parts, Resnet18
from s3nn.neurons import make_neuron

EMITS = {"spike": "fire", "sign": "sign", "analog": "relu"}


class Then(nn.Module):
    """Neurons, then a function of their output."""

    def __init__(self, neuron: str, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.neurons, self.function = make_neuron(neuron, 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.neurons(x))


KEEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "max_pool": lambda s: functional.max_pool2d(s, 2),
    "adaptive_max_pool": lambda s: functional.adaptive_max_pool2d(s, 2),
    "flatten": lambda s: torch.flatten(s, 1),
    "slice": lambda s: s[:, :1],
    "repeat": lambda s: s.repeat(1, 2, 1, 1),
    "repeat in time": lambda s: s.repeat(3, 1, 1, 1),
    "cat": lambda s: torch.cat([s, s.flatten(1).view(2, 2, 4, 4)], 1),
    "dropout": lambda s: functional.dropout(s, 0.5, False),
    "reflect": lambda s: functional.pad(s, (1, 1), mode="reflect"),
    "chunk": lambda s: s.chunk(2, 1)[0],
}
AVERAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "avg_pool": lambda s: functional.avg_pool2d(s, 2),
    "adaptive_avg_pool": lambda s: functional.adaptive_avg_pool2d(s, 1),
    "mean": lambda s: s.mean((2, 3)),
    "sum": lambda s: torch.sum(s, dim=1),
    "mean of sums": lambda s: s.sum(1).mean(1),
}
MAKES_ANALOG: dict[str, Callable[[Tensor], Tensor]] = {
    "add": lambda s: s + s.flip(1),
    "add a number": lambda s: s + 1,
    "times": lambda s: s * 0.5,
    "pad with halves": lambda s: functional.pad(s, (1, 1), value=0.5),
    "unknown": lambda s: torch.cumsum(s, 1),
    "relu": torch.relu,
}


@pytest.mark.parametrize("edge", EMITS)
@pytest.mark.parametrize("rule", KEEPS)
def test_keeps_the_type(rule: str, edge: str) -> None:
    assert trace(Then(EMITS[edge], KEEPS[rule]))[-1].output_edge == edge


@pytest.mark.parametrize("edge", EMITS)
@pytest.mark.parametrize("rule", AVERAGES)
def test_averages_count(rule: str, edge: str) -> None:
    expected = "analog" if edge == "analog" else "count"
    assert trace(Then(EMITS[edge], AVERAGES[rule]))[-1].output_edge == expected


@pytest.mark.parametrize("edge", EMITS)
@pytest.mark.parametrize("rule", MAKES_ANALOG)
def test_gives_analog(rule: str, edge: str) -> None:
    assert trace(Then(EMITS[edge], MAKES_ANALOG[rule]))[-1].output_edge == "analog"


@pytest.mark.parametrize(("edge", "padded"), [("spike", "spike"), ("sign", "analog")])
def test_zeros_are_silence_and_no_sign(edge: str, padded: str) -> None:
    neuron = EMITS[edge]
    by_function = Then(neuron, lambda s: functional.pad(s, (1, 1, 1, 1)))
    by_module = nn.Sequential(make_neuron(neuron, 2), nn.ZeroPad2d(1))
    assert trace(by_function)[-1].output_edge == padded
    assert trace(by_module)[-1].output_edge == padded


@pytest.mark.parametrize("module", [nn.GELU(), nn.LayerNorm(4), nn.ConvTranspose2d(2, 2, 2)])
def test_what_is_not_known_is_opaque(module: nn.Module) -> None:
    site = trace(nn.Sequential(make_neuron("fire", 2), module))[-1]
    assert site.opaque
    assert site.operation == f"opaque {type(module).__name__}"
    assert site.output_edge == "analog"


def test_functions_are_named_after_the_module_that_calls_them() -> None:
    sites = trace(Resnet18((1, 8, 8), 10, width=0.0625))
    assert [s.name for s in sites if s.operation == "add"] == [
        f"features.{i}.add" for i in range(16)
    ]
    assert len({s.name for s in sites}) == len(sites)


def test_sources_are_named() -> None:
    by_name = {s.name: s for s in trace(Resnet18((1, 8, 8), 10, width=0.0625))}
    assert by_name["features.0.add"].inputs == ("features.0.conv.1", "encode.1")
    assert by_name["encode.0"].inputs == ("input",)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_trace_computes_what_the_model_computes(steps: int) -> None:
    model = unroll(Mlp((1, 4, 4), 3, Parts("lif"), width=0.1), steps).eval()
    x = 3 * torch.randn(5, 1, 4, 4)
    assert torch.equal(traced(model).graph_module(x), model(x))


def test_tracing_leaves_the_model_as_it_is() -> None:
    model = Mlp((1, 4, 4), 3, width=0.1).train()
    model.encode[1][1].eval()
    modes = [m.training for m in model.modules()]
    trace(model)
    assert [m.training for m in model.modules()] == modes
