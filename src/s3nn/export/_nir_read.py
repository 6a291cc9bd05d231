"""From a NIR file, ours or others', to a graph: one step of it, from zero."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np

from s3nn.errors import UsageError
from s3nn.export._h5 import read_tree
from s3nn.export._nir_file import NirFile
from s3nn.export._nir_threshold import threshold
from s3nn.export.base import Pixels
from s3nn.graph.ir import Array, Edge, Graph, Node, Spec, Vertex
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
    SumPool,
)

IMAGE, NORMALISED = "image", "normalised"
LARGEST_LAYER = 2**24


def read(path: Path, pixels: Pixels, dt: float, input_text: str) -> Graph:
    """The graph of a file; ``input_text`` is what metadata says of one that takes raw pixels."""
    if not (isfinite(dt) and dt > 0):
        raise UsageError(f"a step of {dt:g} s: give a time above 0")
    return _Walk(NirFile(path, read_tree(path)), pixels, dt, input_text).graph()


class _Walk:
    def __init__(self, file: NirFile, pixels: Pixels, dt: float, input_text: str) -> None:
        self.file, self.pixels, self.dt = file, pixels, dt
        self.raw = pixels.raw if pixels.raw is not None else file.input_text == input_text
        self.before: dict[str, list[str]] = {}  # node -> what it reads
        self.vertices: list[Vertex] = []
        self.specs: dict[str, Spec] = {}
        self.vertex_of: dict[str, str] = {}  # node -> the vertex of its values

    def graph(self) -> Graph:
        start, output = self.file.only("Input"), self.file.only("Output")
        self.before = self.file.order(output)
        if start not in self.before:
            raise self.file.wrong("no way leads from its input to its output")
        for name in self.before:
            kind = str(self.file.nodes[name]["type"])
            if name == start:
                if self.before[name]:
                    raise self.file.at(name, "is the input and reads something")
                self._start(name)
                continue
            if not self.before[name]:
                raise self.file.at(name, "reads nothing")
            source = self._source(name)
            if name == output:
                self._finish(name, source)
                break
            if kind not in READERS:
                raise self.file.cannot(
                    f"a NIR node of the type {kind[:40]!r}", name, f"take a network of {_KNOWN}"
                )
            READERS[kind](self, name, source)
        return _with_means(Graph(tuple(self.vertices)))

    def _append(self, name: str, node: Node, *sources: str) -> str:
        while name in self.specs:
            name += "_"
        try:
            spec = node.infer(*(self.specs[source] for source in sources))
        except UsageError as error:
            raise self.file.at(name, f"does not fit what it reads ({error})") from None
        if prod(spec.shape) > LARGEST_LAYER:
            raise self.file.at(name, f"would have {prod(spec.shape)} values, above {LARGEST_LAYER}")
        self.vertices.append(Vertex(name, node, sources))
        self.specs[name] = spec
        return name

    def _start(self, name: str) -> None:
        sides = self.file.whole(name, "shape")
        while len(sides) in (2, 4) and sides[0] == 1:
            sides = sides[1:]  # a batch of one
        if len(sides) not in (1, 3) or min(sides) < 1 or prod(sides) > LARGEST_LAYER:
            raise self.file.at(name, f"has the shape {sides}, neither an image (C, H, W) nor (F,)")
        shape = given = tuple(sides)
        wanted = self.pixels.shape
        if wanted is not None and wanted != shape:
            if len(shape) == 3 or prod(wanted) != prod(shape):
                raise self.file.at(name, f"takes {shape}, but the images are {wanted}")
            given = wanted
        last = self._append(IMAGE, Image(given))
        if not self.raw:
            pixels = Affine.of_pixels(given[0], self.pixels.mean, self.pixels.std)
            last = self._append(NORMALISED, pixels, last)
        if len(given) == 3 and len(shape) == 1:
            last = self._append("flat", Flatten(), last)
        self.vertex_of[name] = last

    def _source(self, name: str) -> str:
        """What a node reads; the sum of several."""
        first, *more = (self.vertex_of[source] for source in self.before[name])
        for number, other in enumerate(more):
            first = self._append(f"{name}.sum{number or ''}", Add(), first, other)
        return first

    def _finish(self, name: str, source: str) -> None:
        shape = self.specs[source].shape
        if len(shape) == 3:
            if shape[1:] != (1, 1):
                raise self.file.at(name, f"gives {shape}: an output is one number a class")
            source = self._append("logits", Flatten(), source)
        if self.vertices[-1].name != source:  # dead ends are not walked, sums come last
            raise self.file.at(name, "reads what other nodes read after it")

    # Layers.

    def _conv(self, name: str, source: str) -> None:
        weight, bias = self.file.array(name, "weight", 4), self.file.array(name, "bias").reshape(-1)
        shape = self.specs[source].shape
        if len(shape) == 1:
            shape = (shape[0], 1, 1)
        if len(bias) != len(weight):
            raise self.file.at(name, f"has {len(bias)} biases for {len(weight)} channels")
        if self.file.pair(name, "dilation", 1) != (1, 1):
            raise self.file.cannot("a dilated convolution", name, "take one with dilation 1")
        (groups,) = self.file.whole(name, "groups")[:1]
        if groups < 1 or len(weight) % groups or weight.shape[1] * groups != shape[0]:
            raise self.file.at(
                name, f"has a weight {weight.shape} in {groups} groups for {shape[0]} channels"
            )
        stride, padding = self.file.pair(name, "stride", 1), self._padding(name, weight, shape)
        if shape[1:] == (1, 1) and (seen := _seen(weight, stride, padding)) is not None:
            weight, stride, padding = seen, (1, 1), (0, 0)
        kernel = weight.shape[2:]
        alone = groups == 1 and padding == (0, 0)
        whole = alone and kernel == shape[1:]
        if alone and self._is_pixelwise(source, weight, stride):
            scale = np.diagonal(weight[:, :, 0, 0]).copy()
            self.vertex_of[name] = self._append(name, Affine(scale, bias), source)
            return
        if whole:
            if len(self.specs[source].shape) == 3:
                source = self._append(f"{name}.flat", Flatten(), source)
            made: Node = Linear(weight.reshape(len(weight), -1))
        else:
            made = Conv(weight, stride, padding, groups)
        self._with_bias(name, made, bias, source)

    def _is_pixelwise(self, source: str, weight: Array, stride: tuple[int, int]) -> bool:
        """Whether a convolution is a normalisation of the image, a channel at a time."""
        shape = self.specs[source].shape
        square = weight.shape == (shape[0], shape[0], 1, 1) and stride == (1, 1)
        if source not in (IMAGE, NORMALISED) or len(shape) != 3 or not square:
            return False
        return not np.any(weight[:, :, 0, 0] * (1 - np.eye(shape[0])))

    def _padding(self, name: str, weight: Array, shape: tuple[int, ...]) -> tuple[int, int]:
        kernel = (weight.shape[2], weight.shape[3])
        said = self.file.nodes[name].get("padding")
        if isinstance(said, str):
            if said == "valid":
                return 0, 0
            if said != "same" or not (kernel[0] % 2 and kernel[1] % 2):
                raise self.file.at(name, f"has padding {said[:20]!r} for a kernel {kernel}")
            return kernel[0] // 2, kernel[1] // 2
        down, right = self.file.pair(name, "padding")
        if down > max(kernel[0], shape[1]) or right > max(kernel[1], shape[2]):
            raise self.file.at(
                name, f"pads by {down, right}, more than its kernel {kernel} reaches"
            )
        return down, right

    def _linear(self, name: str, source: str) -> None:
        weight = self.file.array(name, "weight", 2)
        bias = np.zeros(len(weight))
        if self.file.nodes[name]["type"] == "Affine":
            bias = self.file.array(name, "bias").reshape(-1)
        if len(bias) != len(weight):
            raise self.file.at(name, f"has {len(bias)} biases for {len(weight)} outputs")
        if self.specs[source].shape[1:] == (1, 1):
            source = self._append(f"{name}.flat", Flatten(), source)
        self._with_bias(name, Linear(weight), bias, source)

    def _with_bias(self, name: str, node: Node, bias: Array, source: str) -> None:
        if not np.any(bias):
            self.vertex_of[name] = self._append(name, node, source)
            return
        last = self._append(f"{name}.weight", node, source)
        self.vertex_of[name] = self._append(name, Affine(np.ones_like(bias), bias), last)

    def _pool(self, name: str, source: str) -> None:
        kernel, stride = self.file.pair(name, "kernel_size", 1), self.file.pair(name, "stride", 1)
        if self.file.pair(name, "padding") != (0, 0):
            raise self.file.cannot("a pool with padding", name, "take one without")
        shape = self.specs[source].shape
        if len(shape) == 1 and kernel == (1, 1):  # of an image of one pixel
            self.vertex_of[name] = source
            return
        if len(shape) != 3 or kernel[0] > shape[1] or kernel[1] > shape[2]:
            raise self.file.at(name, f"pools windows {kernel} of {shape}")
        kind = SumPool if self.file.nodes[name]["type"] == "SumPool2d" else MeanPool
        self.vertex_of[name] = self._append(name, kind(kernel, stride), source)

    def _flatten(self, name: str, source: str) -> None:
        axes = len(self.specs[source].shape)
        first, last = (
            self.file.array(name, key).reshape(-1)[0] % axes for key in ("start_dim", "end_dim")
        )
        if axes == 1:
            self.vertex_of[name] = source
            return
        if (first, last) != (0, axes - 1):
            raise self.file.cannot("flattening some of the axes", name, "flatten from 0 to -1")
        self.vertex_of[name] = self._append(name, Flatten(), source)

    # Neurons.

    def _neuron(self, name: str, source: str) -> None:
        theta = threshold(self.file, name, self.specs[source].shape, self.dt)
        pool = self.vertices[-1]
        spikes = pool.inputs and self.specs[pool.inputs[0]].edge is Edge.SPIKE
        if (
            pool.name == source
            and type(pool.node) is SumPool
            and spikes
            and ((theta >= 0) & (theta < 1)).all()
            and self._read_once(source)
        ):
            self.vertices.pop()
            node = MaxPool(pool.node.kernel, pool.node.stride)
            self.vertex_of[name] = self._append(name, node, *pool.inputs)
            return
        self.vertex_of[name] = self._append(name, Fire(theta), source)

    def _read_once(self, vertex: str) -> bool:
        nodes = [node for node, made in self.vertex_of.items() if made == vertex]
        return sum(a in nodes for a, b in self.file.edges if b in self.before) == 1


def _seen(weight: Array, stride: tuple[int, int], padding: tuple[int, int]) -> Array | None:
    """Of a convolution of one pixel that has one place, the weights that meet the pixel."""
    for kernel, step, pad in zip(weight.shape[2:], stride, padding, strict=True):
        if not (pad < kernel <= 2 * pad + 1 < kernel + step):
            return None
    down, right = padding
    return weight[:, :, down : down + 1, right : right + 1]


def _with_means(graph: Graph) -> Graph:
    """The same network, sums of windows that only layers read as means and larger weights."""
    vertices = {vertex.name: vertex for vertex in graph}
    for vertex in graph:
        if type(vertex.node) is not SumPool:
            continue
        users = [vertex]
        while users and all(isinstance(user.node, (SumPool, Flatten)) for user in users):
            users = [next_ for user in users for next_ in graph.users[user.name]]
        if users and all(isinstance(user.node, (Conv, Linear)) for user in users):
            pool = vertices[vertex.name].node
            assert isinstance(pool, SumPool)
            mean = MeanPool(pool.kernel, pool.stride)
            vertices[vertex.name] = replace(vertex, node=mean)
            for user in users:
                node = vertices[user.name].node
                assert isinstance(node, (Conv, Linear))
                wider = replace(node, weight=node.weight * prod(pool.kernel))
                vertices[user.name] = replace(user, node=wider)
    return Graph(tuple(vertices.values()))


READERS: dict[str, Callable[[Any, str, str], None]] = {
    "Conv2d": _Walk._conv,
    "Affine": _Walk._linear,
    "Linear": _Walk._linear,
    "SumPool2d": _Walk._pool,
    "AvgPool2d": _Walk._pool,
    "Flatten": _Walk._flatten,
    "Threshold": _Walk._neuron,
    "IF": _Walk._neuron,
    "LIF": _Walk._neuron,
    "CubaLIF": _Walk._neuron,
}
_KNOWN = ", ".join(sorted(READERS))
