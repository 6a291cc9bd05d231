"""From a graph to torch and back, and batch-norms that go into weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Graph, Vertex
from s3nn.graph.lower import lower
from s3nn.graph.network import GraphNetwork
from s3nn.graph.nodes import Affine, Conv, Fire, Image, Linear, SumPool
from s3nn.graph.rewrite import fire_before_pools, fold_affines
from s3nn.neurons import make_neuron
from s3nn.registry import MODELS

SHAPE, MEAN, STD = (2, 8, 8), (0.3, 0.1), (0.25, 0.4)


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE), dtype=np.uint8)


class Residual(nn.Module):
    """A sum of spikes and potentials, and batch-norm behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), make_neuron("fire", 4))
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.last = nn.Sequential(nn.BatchNorm2d(4), make_neuron("fire(threshold=0.1)", 4))
        self.readout = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.readout(self.last(self.second(x) + x))


@pytest.mark.parametrize("name", ["mlp", "cnn7", "residual"])
def test_back_and_forth(name: str, randomised: Callable[[nn.Module], nn.Module]) -> None:
    network = Residual() if name == "residual" else MODELS.get(name)(SHAPE, 5, width=0.06)
    graph = lower(randomised(network), SHAPE, MEAN, STD)
    network = GraphNetwork(graph)
    np.testing.assert_allclose(network.mean, MEAN)
    np.testing.assert_allclose(network.std, STD)
    again = lower(network, SHAPE, network.mean, network.std)
    images = _images()
    expected = graph.run(images)
    assert np.ptp(expected) > 0
    # Parameters are rounded to 32 bits on the way; the nearest spike is further off than that.
    np.testing.assert_allclose(again.run(images), expected, rtol=1e-4, atol=1e-4)
    scale = np.array(STD).reshape(1, -1, 1, 1), np.array(MEAN).reshape(1, -1, 1, 1)
    x = torch.from_numpy((images / 255 - scale[1]) / scale[0]).float()
    with torch.no_grad():
        np.testing.assert_allclose(network(x).numpy(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["mlp", "cnn7", "resnet18", "valid", "centred"])
def test_folding_changes_nothing(name: str, randomised: Callable[[nn.Module], nn.Module]) -> None:
    """Behind a layer no batch-norm scales any more; a border of zeros keeps its normalisation."""
    mean = (0.0, 0.0) if name == "centred" else MEAN
    if name in ("valid", "centred"):
        padding = 0 if name == "valid" else 1
        network: nn.Module = nn.Sequential(
            *(nn.Conv2d(2, 3, 3, padding=padding, bias=False), nn.Flatten()),
            nn.Linear(108 if padding == 0 else 192, 4),
        )
    else:
        network = MODELS.get(name)(SHAPE, 5, width=0.06)
    graph = fire_before_pools(lower(randomised(network), SHAPE, mean, STD))
    folded = fold_affines(graph)
    images = _images()
    np.testing.assert_allclose(folded.run(images), graph.run(images), rtol=1e-9, atol=1e-9)
    scaled = [
        vertex.name
        for vertex in folded
        if isinstance(vertex.node, Affine)
        and np.any(vertex.node.scale != 1)
        and isinstance(folded[vertex.inputs[0]].node, (Conv, Linear))
    ]
    assert scaled == []
    normalises = any(
        vertex.inputs == ("image",) and isinstance(vertex.node, Affine) for vertex in folded
    )
    assert normalises == (name in ("cnn7", "resnet18"))


def test_thresholds_below_zero_are_kept() -> None:
    vertices = Vertex("image", Image((1, 1, 3))), Vertex("fire", Fire(np.array([-1.5])), ("image",))
    out = GraphNetwork(Graph(vertices))(torch.tensor([[[[-2.0, -1.5, -1.0]]]]))
    assert out.tolist() == [[[[0, 0, 1]]]]


def test_a_sum_of_windows_is_no_layer_of_torch() -> None:
    vertices = Vertex("image", Image((1, 4, 4))), Vertex("sum", SumPool((2, 2), (2, 2)), ("image",))
    with pytest.raises(UnsupportedError, match="sum_pool as a layer of torch"):
        GraphNetwork(Graph(vertices))
