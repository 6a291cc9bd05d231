"""From a graph of real numbers back to a torch network: the inverse of ``lower``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Array, Graph, Vertex
from s3nn.graph.nodes import (
    Add,
    Affine,
    Conv,
    Fire,
    Flatten,
    Image,
    Linear,
    MaxPool,
    MeanPool,
)
from s3nn.graph.rewrite import bias_of
from s3nn.neurons.fire import Fire as FireNeuron
from s3nn.registry import name_of


class GraphNetwork(nn.Module):
    """The operations of a graph behind its normalisation, as modules of torch in 32 bits.

    Its input is (x / 255 - ``mean``) / ``std`` of raw pixels x; where the graph reads pixels as
    they are, std is 1 / 255.  A bias is in the layer in front of it.  It is made to be run,
    counted and lowered again, not to be trained.

    >>> from s3nn.graph.nodes import Fire
    >>> fire = Vertex("fire", Fire(np.array([7.0])), ("image",))
    >>> network = GraphNetwork(Graph((Vertex("image", Image((1, 1, 2))), fire)))
    >>> network(torch.tensor([[[[7.0, 8.0]]]])).tolist()
    [[[[0.0, 1.0]]]]
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        channels = graph.specs[graph.image.name].channels
        self.mean, self.std = (0.0,) * channels, (1 / 255,) * channels
        self.steps: list[tuple[str, str | None, tuple[str, ...]]] = []  # vertex, layer, inputs
        same: dict[str, str] = {
            graph.image.name: ""
        }  # vertex -> whose values it has; "": the input
        for vertex in graph:
            inputs = tuple(same[name] for name in vertex.inputs)
            if isinstance(vertex.node, Image):
                continue
            if _normalises(graph, vertex):
                assert isinstance(vertex.node, Affine)
                self.std = tuple((1 / (255 * vertex.node.scale)).tolist())
                self.mean = tuple((-vertex.node.offset / (255 * vertex.node.scale)).tolist())
                same[vertex.name] = ""
                continue
            layer = graph[vertex.inputs[0]]
            if isinstance(vertex.node, Affine) and bias_of(graph, layer) is vertex:
                same[vertex.name] = same[layer.name]
                continue
            name = None
            if not isinstance(vertex.node, Add):
                name = self._named(vertex.name)
                self.layers[name] = _module(graph, vertex)
            same[vertex.name] = vertex.name
            self.steps.append((vertex.name, name, inputs))

    def _named(self, name: str) -> str:
        name = re.sub(r"\W", "_", name)
        while name in self.layers or hasattr(nn.ModuleDict, name):
            name += "_"
        return name

    def forward(self, x: Tensor) -> Tensor:
        found = {"": x}
        last = ""
        for last, layer, inputs in self.steps:
            given = [found[name] for name in inputs]
            found[last] = given[0] + given[1] if layer is None else self.layers[layer](given[0])
        return found[last]


def _normalises(graph: Graph, vertex: Vertex) -> bool:
    """Whether a vertex normalises the image, all readers of it and with a positive gain."""
    alone = vertex.inputs == (graph.image.name,) and len(graph.users[graph.image.name]) == 1
    return alone and isinstance(vertex.node, Affine) and bool((vertex.node.scale > 0).all())


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32))


def _module(graph: Graph, vertex: Vertex) -> nn.Module:
    module = _made(graph, vertex)
    return module.requires_grad_(False).eval()


def _made(graph: Graph, vertex: Vertex) -> nn.Module:
    node: Any = vertex.node
    match node:
        case Conv() if node.fill is None:
            after = bias_of(graph, vertex)
            outputs, inputs = node.weight.shape[0], node.weight.shape[1] * node.groups
            conv = nn.Conv2d(
                *(inputs, outputs, node.kernel, node.stride, node.padding),
                groups=node.groups,
                bias=after is not None,
            )
            return _filled(conv, node.weight, after)
        case Linear():
            after = bias_of(graph, vertex)
            outputs, inputs = node.weight.shape
            linear = nn.Linear(inputs, outputs, bias=after is not None)
            return _filled(linear, node.weight, after)
        case Affine():
            image = len(graph.specs[vertex.name].shape) == 3
            kind = nn.BatchNorm2d if image else nn.BatchNorm1d
            norm = kind(len(node.scale), eps=0.0)
            with torch.no_grad():
                norm.weight.copy_(_tensor(node.scale))
                norm.bias.copy_(_tensor(node.offset))
            return norm
        case Fire():
            neuron = FireNeuron(per_channel=True, channels=len(node.threshold))
            # Not by set_, which is for training and wants thresholds above zero.
            neuron.threshold.get_buffer("fixed").copy_(_tensor(node.threshold))
            return neuron
        case Flatten():
            return nn.Flatten()
        case MaxPool():
            return nn.MaxPool2d(node.kernel, node.stride, node.padding, ceil_mode=node.ceil)
        case MeanPool() if not any(node.padding):
            return nn.AvgPool2d(node.kernel, node.stride, ceil_mode=node.ceil)
    raise UnsupportedError(
        f"{name_of(node)} as a layer of torch",
        f"layer {vertex.name}",
        "take a graph of real numbers: layers, batch-norms, neurons, max and mean pools, sums",
    )


def _filled(module: nn.Module, weight: Array, after: Vertex | None) -> nn.Module:
    with torch.no_grad():
        module.get_parameter("weight").copy_(_tensor(weight))
        if after is not None:
            assert isinstance(after.node, Affine)
            module.get_parameter("bias").copy_(_tensor(after.node.offset))
    return module
