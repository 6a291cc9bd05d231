"""From a NIR file, ours or others', to a graph: one step of it, from zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np

from s3nn.errors import UnsupportedError, UsageError
from s3nn.export._h5 import Tree, read_tree
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
LARGEST_SIDE, LARGEST_LAYER, LARGEST_NETWORK = 2**14, 2**24, 10_000
NEAR = 1e-4  # relative, of time constants that were written in float32


def read(path: Path, pixels: Pixels, dt: float, input_text: str) -> Graph:
    """The graph of a file; ``input_text`` is what metadata says of one that takes raw pixels."""
    if not (isfinite(dt) and dt > 0):
        raise UsageError(f"a step of {dt:g} s: give a time above 0")
    return _Reader(path, read_tree(path), pixels, dt, input_text).graph()


class _Reader:
    def __init__(self, path: Path, tree: Tree, pixels: Pixels, dt: float, input_text: str) -> None:
        self.path, self.pixels, self.dt = path, pixels, dt
        whole = tree.get("node")
        if not isinstance(whole, dict) or _text(whole, "type") != "NIRGraph":
            raise self._wrong("it holds no NIRGraph")
        self.nodes = self._nodes(whole)
        self.edges = self._edges(whole)
        metadata = whole.get("metadata")
        said = _text(metadata, "input") if isinstance(metadata, dict) else None
        self.raw = pixels.raw if pixels.raw is not None else said == input_text
        self.vertices: list[Vertex] = []
        self.specs: dict[str, Spec] = {}
        self.vertex_of: dict[str, str] = {}  # node -> the vertex of its values

    # What is wrong, in one sentence each.

    def _wrong(self, reason: str) -> UsageError:
        return UsageError(f"{self.path} is not a NIR network that can be read: {reason}")

    def _at(self, name: str, reason: str) -> UsageError:
        return self._wrong(f"node {name[:60]!r} {reason}")

    def _cannot(self, what: str, name: str, instead: str) -> UnsupportedError:
        return UnsupportedError(what, f"node {name[:60]!r} of {self.path}", instead)

    # The file's parts, checked.

    def _nodes(self, whole: Tree) -> dict[str, Tree]:
        nodes = whole.get("nodes")
        if not isinstance(nodes, dict) or not nodes:
            raise self._wrong("it has no nodes")
        if len(nodes) > LARGEST_NETWORK:
            raise self._wrong(f"it has {len(nodes)} nodes, more than {LARGEST_NETWORK}")
        found: dict[str, Tree] = {}
        for name, node in nodes.items():
            if not isinstance(node, dict) or not isinstance(node.get("type"), str):
                raise self._at(name, "says nothing of its type")
            found[name] = node
        return found

    def _edges(self, whole: Tree) -> list[tuple[str, str]]:
        edges = whole.get("edges")
        if not isinstance(edges, np.ndarray) or edges.ndim != 2 or edges.shape[1] != 2:
            raise self._wrong("its edges are no list of pairs")
        found = [(str(a), str(b)) for a, b in edges.tolist()]
        if len(set(found)) != len(found):
            raise self._wrong("an edge is there twice")
        for name in (name for pair in found for name in pair):
            if name not in self.nodes:
                raise self._wrong(f"an edge leads to {name[:60]!r}, which is no node")
        return found

    def _only(self, kind: str) -> str:
        names = [name for name, node in self.nodes.items() if node["type"] == kind]
        if len(names) != 1:
            raise self._wrong(f"it has {len(names)} nodes of the type {kind}, not one")
        return names[0]

    def _order(self, output: str) -> list[str]:
        """The nodes that lead to the output, each behind those that it reads."""
        before: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            before[target].append(source)
        wanted, left = {output}, [output]
        while left:
            for name in before[left.pop()]:
                if name not in wanted:
                    wanted.add(name)
                    left.append(name)
        self.before = {name: before[name] for name in wanted}
        try:
            return [*TopologicalSorter(self.before).static_order()]
        except CycleError as error:
            raise self._cannot(
                "a network with a cycle (recurrent)",
                str(error.args[1][0]),
                "take a feed-forward one",
            ) from None

    def _array(self, name: str, key: str, axes: int | None = None) -> Array:
        values = self.nodes[name].get(key)
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
            raise self._at(name, f"has no numbers called {key!r}")
        if axes is not None and values.ndim != axes:
            raise self._at(name, f"has {key!r} of the shape {values.shape}, not of {axes} axes")
        found: Array = values.astype(np.float64)
        if not values.size or not np.isfinite(found).all():
            raise self._at(name, f"has {key!r} without a value, or with one that is not finite")
        return found

    def _whole(self, name: str, key: str, most: int = LARGEST_SIDE) -> list[int]:
        """Whole numbers from 0 to ``most``."""
        values = self._array(name, key).reshape(-1)
        if len(values) > 8 or (values != np.rint(values)).any() or values.min() < 0:
            raise self._at(name, f"has {key!r} that are no whole numbers from 0 on")
        if values.max() > most:
            raise self._at(name, f"has {key!r} of {values.max():.0f}, more than {most}")
        return [int(v) for v in values]

    def _pair(self, name: str, key: str, least: int = 0) -> tuple[int, int]:
        values = self._whole(name, key)
        values = values * 2 if len(values) == 1 else values
        if len(values) != 2 or min(values) < least:
            raise self._at(name, f"has {key!r} of {values}, not two numbers from {least} on")
        return values[0], values[1]

    # The walk.

    def graph(self) -> Graph:
        start, output = self._only("Input"), self._only("Output")
        order = self._order(output)
        if start not in order:
            raise self._wrong("no way leads from its input to its output")
        for name in order:
            kind = str(self.nodes[name]["type"])
            if name == start:
                if self.before[name]:
                    raise self._at(name, "is the input and reads something")
                self._start(name)
                continue
            if not self.before[name]:
                raise self._at(name, "reads nothing")
            source = self._source(name)
            if name == output:
                self._finish(name, source)
                break
            if kind not in READERS:
                raise self._cannot(
                    f"a NIR node of the type {kind[:40]!r}", name, f"take a network of {_KNOWN}"
                )
            READERS[kind](self, name, source)
        return _with_means(Graph(tuple(self.vertices)))

    def _append(self, name: str, node: Node, *sources: str) -> str:
        taken = {vertex.name for vertex in self.vertices}
        while name in taken:
            name += "_"
        try:
            spec = node.infer(*(self.specs[source] for source in sources))
        except UsageError as error:
            raise self._at(name, f"does not fit what it reads ({error})") from None
        if prod(spec.shape) > LARGEST_LAYER:
            raise self._at(name, f"would have {prod(spec.shape)} values, above {LARGEST_LAYER}")
        self.vertices.append(Vertex(name, node, sources))
        self.specs[name] = spec
        return name

    def _start(self, name: str) -> None:
        sides = self._whole(name, "shape")
        while len(sides) in (2, 4) and sides[0] == 1:
            sides = sides[1:]  # a batch of one
        if len(sides) not in (1, 3) or min(sides) < 1 or prod(sides) > LARGEST_LAYER:
            raise self._at(name, f"has the shape {sides}, neither an image (C, H, W) nor (F,)")
        shape = given = tuple(sides)
        wanted = self.pixels.shape
        if wanted is not None and wanted != shape:
            if len(shape) == 3 or prod(wanted) != prod(shape):
                raise self._at(name, f"takes {shape}, but the images are {wanted}")
            given = wanted
        last = self._append(IMAGE, Image(given))
        if not self.raw:
            last = self._normalise(given, last)
        if len(given) == 3 and len(shape) == 1:
            last = self._append("flat", Flatten(), last)
        self.vertex_of[name] = last

    def _normalise(self, shape: tuple[int, ...], last: str) -> str:
        try:
            pair = (self.pixels.std, self.pixels.mean)
            spread, middle = (np.broadcast_to(np.asarray(v, float), shape[:1]) for v in pair)
        except ValueError:
            raise UsageError(
                f"mean and std have {len(self.pixels.mean)} and {len(self.pixels.std)} numbers for "
                f"{shape[0]} channels: give one, or one a channel"
            ) from None
        if not (np.isfinite(middle).all() and np.isfinite(spread).all() and (spread > 0).all()):
            raise UsageError("mean and std are finite numbers, and std is above 0")
        return self._append(NORMALISED, Affine(1 / (255 * spread), -middle / spread), last)

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
                raise self._at(name, f"gives {shape}: an output is one number a class")
            source = self._append("logits", Flatten(), source)
        if self.vertices[-1].name != source:  # dead ends are not walked, sums come last
            raise self._at(name, "reads what other nodes read after it")

    # Layers.

    def _conv(self, name: str, source: str) -> None:
        weight, bias = self._array(name, "weight", 4), self._array(name, "bias").reshape(-1)
        shape = self.specs[source].shape
        if len(shape) == 1:
            shape = (shape[0], 1, 1)
        if len(bias) != len(weight):
            raise self._at(name, f"has {len(bias)} biases for {len(weight)} channels")
        if self._pair(name, "dilation", 1) != (1, 1):
            raise self._cannot("a dilated convolution", name, "take one with dilation 1")
        (groups,) = self._whole(name, "groups")[:1]
        if groups < 1 or len(weight) % groups or weight.shape[1] * groups != shape[0]:
            raise self._at(
                name, f"has a weight {weight.shape} in {groups} groups for {shape[0]} channels"
            )
        stride, padding = self._pair(name, "stride", 1), self._padding(name, weight, shape)
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
        said = self.nodes[name].get("padding")
        if isinstance(said, str):
            if said == "valid":
                return 0, 0
            if said != "same" or not (kernel[0] % 2 and kernel[1] % 2):
                raise self._at(name, f"has padding {said[:20]!r} for a kernel {kernel}")
            return kernel[0] // 2, kernel[1] // 2
        down, right = self._pair(name, "padding")
        if down > max(kernel[0], shape[1]) or right > max(kernel[1], shape[2]):
            raise self._at(name, f"pads by {down, right}, more than its kernel {kernel} reaches")
        return down, right

    def _linear(self, name: str, source: str) -> None:
        weight = self._array(name, "weight", 2)
        bias = np.zeros(len(weight))
        if self.nodes[name]["type"] == "Affine":
            bias = self._array(name, "bias").reshape(-1)
        if len(bias) != len(weight):
            raise self._at(name, f"has {len(bias)} biases for {len(weight)} outputs")
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
        kernel, stride = self._pair(name, "kernel_size", 1), self._pair(name, "stride", 1)
        if self._pair(name, "padding") != (0, 0):
            raise self._cannot("a pool with padding", name, "take one without")
        shape = self.specs[source].shape
        if len(shape) != 3 or kernel[0] > shape[1] or kernel[1] > shape[2]:
            raise self._at(name, f"pools windows {kernel} of {shape}")
        kind = SumPool if self.nodes[name]["type"] == "SumPool2d" else MeanPool
        self.vertex_of[name] = self._append(name, kind(kernel, stride), source)

    def _flatten(self, name: str, source: str) -> None:
        axes = len(self.specs[source].shape)
        first, last = (
            self._array(name, key).reshape(-1)[0] % axes for key in ("start_dim", "end_dim")
        )
        if axes == 1:
            self.vertex_of[name] = source
            return
        if (first, last) != (0, axes - 1):
            raise self._cannot("flattening some of the axes", name, "flatten from 0 to -1")
        self.vertex_of[name] = self._append(name, Flatten(), source)

    # Neurons.

    def _neuron(self, name: str, source: str) -> None:
        theta = self._threshold(name, self.specs[source].shape)
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
        return sum(a in nodes for a, b in self.edges if b in self.before) == 1

    def _threshold(self, name: str, shape: tuple[int, ...]) -> Array:
        """theta_c of u_c > theta_c, u the node's input, after one step from zero; strictly above.

        Threshold  u > theta
        IF         v = r dt u, taken with r dt = 1 or r = 1
        LIF        v = v + dt / tau (v_leak - v + r u), which is v_leak + r u where tau = dt
        CubaLIF    the same of the current w_in u, where tau_syn = dt
        """
        kind = self.nodes[name]["type"]
        if kind == "Threshold":
            return self._per_channel(name, "threshold", shape)
        theta = self._per_channel(name, "v_threshold", shape)
        gain = self._per_channel(name, "r", shape)
        if kind == "IF":
            if not (_near(gain, 1.0) or _near(gain * self.dt, 1.0)):
                raise self._cannot(
                    f"an IF neuron with r = {_span(gain)}, which at a step of {self.dt:g} s is no "
                    "single-step neuron",
                    name,
                    "say its step with --dt (r is 1 or 1/dt)",
                )
            return theta
        for key in ("tau",) if kind == "LIF" else ("tau_syn", "tau_mem"):
            tau = self._per_channel(name, key, shape)
            if not _near(tau / self.dt, 1.0):
                raise self._cannot(
                    f"a {kind} neuron with {key} = {_span(tau)} s, which at steps of {self.dt:g} s "
                    "remembers",
                    name,
                    "say its step with --dt, or take neurons whose time constants are one step",
                )
        if kind == "CubaLIF":
            gain = gain * self._per_channel(name, "w_in", shape)
        if (gain <= 0).any():
            raise self._at(name, f"has r (times w_in) of {_span(gain)}, not above 0")
        found: Array = (theta - self._per_channel(name, "v_leak", shape)) / gain
        return found

    def _per_channel(self, name: str, key: str, shape: tuple[int, ...]) -> Array:
        """A neuron's parameter, one number a channel; more must be the same within a channel."""
        values = self._array(name, key)
        if values.size == 1:
            return np.full(shape[0], values.reshape(-1)[0])
        squeezed = values.reshape(shape[0], -1) if values.size % shape[0] == 0 else values
        fits = values.shape in (shape, (1, *shape), (*shape, 1, 1), (shape[0], 1, 1))
        if not fits:
            raise self._at(name, f"has {key!r} of the shape {values.shape} for a layer {shape}")
        if np.ptp(squeezed, axis=1).any():
            raise self._cannot(
                f"{key} that differs within a channel", name, "take one value a channel"
            )
        return squeezed[:, 0].copy()


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
    "Conv2d": _Reader._conv,
    "Affine": _Reader._linear,
    "Linear": _Reader._linear,
    "SumPool2d": _Reader._pool,
    "AvgPool2d": _Reader._pool,
    "Flatten": _Reader._flatten,
    "Threshold": _Reader._neuron,
    "IF": _Reader._neuron,
    "LIF": _Reader._neuron,
    "CubaLIF": _Reader._neuron,
}
_KNOWN = ", ".join(sorted(READERS))


def _text(tree: Tree, key: str) -> str | None:
    """A piece of text; arrays, which do not compare to one truth, are none."""
    found = tree.get(key)
    return found if isinstance(found, str) else None


def _near(values: Array, wanted: float) -> bool:
    return bool((np.abs(values - wanted) <= NEAR * wanted).all())


def _span(values: Sequence[float] | Array) -> str:
    least, most = float(np.min(values)), float(np.max(values))
    return f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
