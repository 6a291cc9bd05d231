"""The Neuromorphic Intermediate Representation (Pedersen et al. 2024), one step of it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from s3nn.errors import UnsupportedError, unknown_name
from s3nn.export._nir_read import read
from s3nn.export.base import Exporter, Pixels, Written, is_integer, needed
from s3nn.files import write_bytes
from s3nn.graph.bounds import bounds
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
    Pool,
    SumPool,
)
from s3nn.graph.rewrite import fire_before_pools, fold_affines
from s3nn.registry import name_of

__all__ = ["Nir"]

DT = 1e-4  # seconds a step: what norse, snnTorch and SpikingJelly take for NIR's files
THRESHOLD, BETWEEN = 1.0, 0.5  # of potentials that are real; of integers and sums of spikes
EXACT = 2**24  # integers up to here have a float32 of their own

INPUT = "pixels, 0 to 255"  # what metadata says of a file that normalises them itself
_ELSE = "export it to ONNX (--to onnx), or compile it"


class Nir(Exporter):
    """A NIR file whose neurons, run for one step from zero, do what single-step neurons do.

    The input is raw pixels, 0 to 255, as real numbers (C, H, W); the output is logits
    (classes, 1, 1).  Layers are ``Conv2d``: a linear layer is one of the size of its image, so that
    nothing has to be flattened.  Batch-norm is in weights and bias; a layer's neurons have one
    threshold theta_0 = 1, and what a channel's differs from it is in the bias,
    u - theta > 0 <=> u + (theta_0 - theta) > theta_0.  A max-pool of spikes is a ``SumPool2d`` and
    neurons at 0.5.  Where a first layer pads, the image is normalised by a ``Conv2d`` of one pixel.

    A graph of integers has no ties: its potentials are integers, which float32 holds exactly, and
    theta_0 is one half; sums that may exceed 2^24 are an ``UnsupportedError``.  Of a graph of real
    numbers the parameters are rounded to float32, and channels that are constant are held away from
    their threshold.

    Parameters
    ----------
    dialect: how a neuron that remembers nothing is written, dt being 1e-4 s.
        ``threshold``: ``Threshold``, which is what it is, and which simulators do not read.
        ``cuba``: ``CubaLIF``, tau_syn = tau_mem = dt, r = w_in = 1: norse, snnTorch, SpikingJelly.
        ``if``: ``IF``, r = 1 / dt: norse, SpikingJelly, sinabs (with single spikes).
    """

    suffix = ".nir"

    def __init__(self, dialect: str = "threshold") -> None:
        if dialect not in DIALECTS:
            raise unknown_name("dialect of NIR", dialect, DIALECTS)
        self.dialect = dialect

    def write(self, graph: Graph, path: Path) -> Written:
        nir = needed("nir")
        writer = _Writer(nir, fold_affines(fire_before_pools(graph)), DIALECTS[self.dialect])
        whole = writer.graph_of()
        file = io.BytesIO()
        nir.write(file, whole)
        return Written(write_bytes(path, file.getvalue()), writer.graph, writer.spiking)

    @staticmethod
    def read(path: Path, pixels: Pixels | None = None, dt: float = DT) -> Graph:
        """The graph of a NIR file, ours or others', whose neurons remember nothing.

        Read are ``Conv2d``, ``Affine``, ``Linear``, ``SumPool2d``, ``AvgPool2d``, ``Flatten`` and,
        where their parameters mean one step from zero without a memory (``dt`` is the step),
        ``Threshold``, ``IF``, ``LIF`` and ``CubaLIF``; a neuron fires strictly above its threshold.
        Edges that meet are added.  ``pixels`` is what the input is made of.

        What is damaged is a ``UsageError``, what means something else an ``UnsupportedError``; the
        file is parsed by a process of its own and can neither crash, stall nor execute anything.
        """
        return read(Path(path), pixels or Pixels(), dt, INPUT)


def _threshold(nir: Any, theta: Array) -> Any:
    return nir.Threshold(threshold=theta)


def _cuba(nir: Any, theta: Array) -> Any:
    one, zero = np.ones_like(theta), np.zeros_like(theta)
    # The float32 next to dt lies below it, which SpikingJelly refuses; this one lies above.
    tau = np.full_like(theta, np.nextafter(np.float32(DT), np.float32(1)))
    return nir.CubaLIF(
        tau_syn=tau,
        tau_mem=tau,
        r=one,
        v_leak=zero,
        v_threshold=theta,
        v_reset=zero,
        w_in=one,
    )


def _if(nir: Any, theta: Array) -> Any:
    one = np.ones_like(theta)
    return nir.IF(r=one / np.float32(DT), v_threshold=theta, v_reset=np.zeros_like(theta))


DIALECTS: dict[str, Callable[[Any, Array], Any]] = {
    "threshold": _threshold,
    "cuba": _cuba,
    "if": _if,
}


class _Writer:
    """A walk along a graph that appends NIR's nodes."""

    def __init__(self, nir: Any, graph: Graph, neuron: Callable[[Any, Array], Any]) -> None:
        self.nir, self.graph, self.neuron = nir, graph, neuron
        self.integer = is_integer(graph)
        self.most = bounds(graph)
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.node_of: dict[str, str] = {}  # vertex -> the node that gives its values
        self.shape: dict[str, tuple[int, ...]] = {}  # of a vertex's values in the file, (C, H, W)
        self.share: dict[str, float] = {}  # of a vertex's values, what the file's are multiplied by
        self.spiking: dict[str, str] = {}

    def graph_of(self) -> Any:
        done: set[str] = set()
        for vertex in self.graph:
            if isinstance(vertex.node, Add):
                raise UnsupportedError(
                    "a sum of two layers (a residual network) in NIR", f"layer {vertex.name}", _ELSE
                )
        for vertex in self.graph:
            if vertex.name not in done:
                done |= self._take(vertex)
        last = self.graph.output.name
        if self.share[last] != 1:  # the file's values are sums, where means were meant
            channels = self.shape[last][0]
            share = np.full(channels, self.share[last])
            self._pixelwise(f"{last}_mean", last, share, np.zeros(channels))
            last = f"{last}_mean"
        self._append("output", self.nir.Output(np.array(self.shape[last])), self.node_of[last])
        return self.nir.NIRGraph(
            self.nodes,
            self.edges,
            metadata={"input": INPUT, "made_by": "s3nn"},
        )

    def _append(self, name: str, node: Any, source: str | None) -> str:
        name = re.sub(r"\W", "_", name)
        name = f"layer_{name}" if name[:1].isdigit() else name
        while name in self.nodes:
            name += "_"
        self.nodes[name] = node
        if source is not None:
            self.edges.append((source, name))
        return name

    def _note(self, vertex: str, node: str, shape: tuple[int, ...], share: float = 1.0) -> None:
        self.node_of[vertex], self.shape[vertex], self.share[vertex] = node, shape, share

    def _take(self, vertex: Vertex) -> set[str]:
        """Write a vertex and those behind it that go into the same nodes; all of their names."""
        name, node = vertex.name, vertex.node
        match node:
            case Image():
                shape = node.shape if len(node.shape) == 3 else (prod(node.shape), 1, 1)
                self._note(
                    name, self._append("input", self.nir.Input(np.array(shape)), None), shape
                )
            case Affine() if isinstance(self.graph[vertex.inputs[0]].node, Image):
                self._pixelwise(name, vertex.inputs[0], node.scale, node.offset)
            case Conv() | Linear():
                return self._synapse(vertex, node)
            case Pool() if node.keeps(self.shape[vertex.inputs[0]]):
                self._pass_on(vertex)
            case MaxPool():
                self._max_pool(vertex, node)
            case SumPool():
                self._sum_pool(vertex, node)
            case Flatten():
                self._pass_on(vertex)
            case _:
                raise UnsupportedError(
                    f"{_NAMES.get(type(node).__name__, name_of(node))} in NIR",
                    f"layer {name}",
                    _ELSE,
                )
        return {name}

    def _pass_on(self, vertex: Vertex) -> None:
        """A vertex whose values are those it reads has no node of its own."""
        before = vertex.inputs[0]
        self._note(vertex.name, self.node_of[before], self.shape[before], self.share[before])

    def _pixelwise(self, vertex: str, before: str, scale: Array, offset: Array) -> None:
        """y_c = scale_c x_c + offset_c, as a convolution of one pixel."""
        weight = np.diag(scale)[:, :, None, None]
        node = self._conv(self.shape[before], weight, offset, (1, 1), (0, 0))
        self._note(vertex, self._append(vertex, node, self.node_of[before]), self.shape[before])

    def _conv(
        self, shape: tuple[int, ...], weight: Array, bias: Array, stride: Any, padding: Any
    ) -> Any:
        if weight.shape[2] != weight.shape[3]:
            raise UnsupportedError(
                "a kernel that is not square, or a linear layer that reads an image that is not, "
                f"in NIR, whose library takes {weight.shape[2]} for both sides",
                f"a layer that reads {shape[0]} channels of {shape[1]} x {shape[2]}",
                _ELSE,
            )
        return self.nir.Conv2d(
            input_shape=(shape[1], shape[2]),
            weight=np.ascontiguousarray(weight, np.float32),
            stride=tuple(stride),
            padding=tuple(padding),
            dilation=(1, 1),
            groups=1,
            bias=np.ascontiguousarray(bias, np.float32),
        )

    def _synapse(self, vertex: Vertex, node: Conv | Linear) -> set[str]:
        """A layer with its bias and its neurons, or that of the logits."""
        before, followers = vertex.inputs[0], self._followers(vertex)
        names = {vertex.name, *(v.name for v in followers)}
        shape = self.shape[before]
        if isinstance(node, Conv):
            weight, stride, padding = _ungrouped(node), node.stride, node.padding
        else:
            weight, stride, padding = node.weight.reshape(-1, *shape), (1, 1), (0, 0)
        weight = weight.astype(np.float64) * self.share[before]
        scale, offset = np.ones(len(weight)), np.zeros(len(weight))
        fires: Fire | None = None
        for follower in followers:
            if isinstance(follower.node, Affine):
                scale, offset = follower.node.scale.astype(np.float64), follower.node.offset
            elif isinstance(follower.node, Fire):
                fires = follower.node
        source = self.node_of[before]
        if isinstance(node, Conv) and node.fill is not None and np.any(node.fill):
            source = self._shifted(vertex.name, before, node.fill)
            offset = offset + scale * np.einsum("oiyx,i->o", weight, node.fill.astype(np.float64))
        weight = weight * scale[:, None, None, None]
        if fires is not None:
            offset = self._biased(vertex, weight, offset, fires.threshold)
        if fires is None and self.integer:
            weight, offset = weight * self.graph.step, offset * self.graph.step
        conv = self._conv(shape, weight, offset, stride, padding)
        place = self._append(f"{vertex.name}_synapse" if fires else vertex.name, conv, source)
        high, wide = self._sides(vertex, node)
        made = (len(weight), high, wide)
        last = followers[-1].name if followers else vertex.name
        if fires is not None:
            place = self._fire(last, made, BETWEEN if self.integer else THRESHOLD, place)
        for name in names:
            self._note(name, place, made)
        return names

    def _sides(self, vertex: Vertex, node: Conv | Linear) -> tuple[int, int]:
        if isinstance(node, Linear):
            return 1, 1
        shape = self.graph.specs[vertex.name].shape
        return shape[1], shape[2]

    def _followers(self, vertex: Vertex) -> list[Vertex]:
        """The bias and the neurons behind a layer; anything else there is none of NIR's."""
        found: list[Vertex] = []
        here = vertex
        while True:
            users = self.graph.users[here.name]
            if not users:
                return found
            follower = users[0]
            if len(users) == 1 and isinstance(follower.node, Fire):
                return [*found, follower]
            if len(users) == 1 and isinstance(follower.node, Affine) and not found:
                found.append(follower)
                here = follower
                continue
            what = ", ".join(sorted({_of(user) for user in users}))
            raise UnsupportedError(
                f"a layer whose membrane potentials are read by {what}, in NIR",
                f"layer {vertex.name}",
                f"put neurons behind it; {_ELSE}",
            )

    def _biased(self, vertex: Vertex, weight: Array, offset: Array, theta: Array) -> Array:
        """The bias with which neurons at theta_0 do what those at ``theta`` do."""
        rows = weight.reshape(len(weight), -1)
        silent = ~rows.any(1)
        constant = np.where(offset > theta, 2.0, 0.0) * THRESHOLD
        if not self.integer:
            return np.where(silent, constant, offset - theta + THRESHOLD)
        # u > theta is u - theta > 1/2.  A threshold that no sum reaches is as good nearer by.
        bound = self.most[vertex.inputs[0]]
        most = np.abs(rows).sum(1) * max(bound.magnitude, 1.0)
        bias: Array = -np.clip(theta - offset, -most - 1, most)
        largest = float((most + np.abs(bias)).max())
        if largest > EXACT:
            raise UnsupportedError(
                f"integer sums that may reach {largest:.3g}, beyond what float32 holds exactly",
                f"layer {vertex.name}",
                "use fewer bits a weight or a layer with fewer inputs, or export the real numbers",
            )
        return bias

    def _shifted(self, name: str, before: str, fill: Array) -> str:
        """The image less what surrounds it, so that it is surrounded by zeros."""
        shape = self.shape[before]
        weight = np.eye(shape[0])[:, :, None, None]
        conv = self._conv(shape, weight, -fill.astype(np.float64), (1, 1), (0, 0))
        return self._append(f"{name}_shift", conv, self.node_of[before])

    def _fire(self, vertex: str, shape: tuple[int, ...], theta: float, source: str) -> str:
        node = self.neuron(self.nir, np.full(shape, theta, np.float32))
        self.spiking[vertex] = self._append(vertex, node, source)
        return self.spiking[vertex]

    def _pooled(self, vertex: Vertex, node: Pool) -> tuple[str, tuple[int, ...]]:
        """The sums of windows, all of them whole."""
        before = vertex.inputs[0]
        shape = self.shape[before]
        if any(node.padding) or np.ptp(node.sizes(shape)):
            raise UnsupportedError(
                "a pool whose windows hang over the border, in NIR",
                f"layer {vertex.name}",
                f"use padding=0 and sides that the pool divides; {_ELSE}",
            )
        pool = self.nir.SumPool2d(
            kernel_size=np.array(node.kernel),
            stride=np.array(node.stride),
            padding=np.array((0, 0)),
        )
        name = f"{vertex.name}_sum" if isinstance(node, MaxPool) else vertex.name
        return self._append(name, pool, self.node_of[before]), (shape[0], *node.sides(shape))

    def _max_pool(self, vertex: Vertex, node: MaxPool) -> None:
        if not self.graph.specs[vertex.name].edge.binary:
            raise UnsupportedError(
                "a max-pool of membrane potentials that not only neurons read, in NIR",
                f"layer {vertex.name}",
                _ELSE,
            )
        source, shape = self._pooled(vertex, node)
        self._note(vertex.name, self._fire(vertex.name, shape, BETWEEN, source), shape)

    def _sum_pool(self, vertex: Vertex, node: SumPool) -> None:
        if type(node) not in (SumPool, MeanPool):
            raise UnsupportedError("a mean of integers in NIR", f"layer {vertex.name}", _ELSE)
        source, shape = self._pooled(vertex, node)
        share = self.share[vertex.inputs[0]]
        self._note(
            vertex.name,
            source,
            shape,
            share / prod(node.kernel) if isinstance(node, MeanPool) else share,
        )


_NAMES = {
    "Affine": "a batch-norm that is not behind a layer's weights",
    "Channels": "channels that are picked or repeated",
    "Fire": "neurons that are not behind a layer's weights",
}


def _of(vertex: Vertex) -> str:
    name = type(vertex.node).__name__
    return {"Conv": "a convolution", "Linear": "a linear layer"}.get(name, name.lower())


def _ungrouped(node: Conv) -> Array:
    """The weight of the same convolution in one group: simulators differ on groups."""
    if node.groups == 1:
        return node.weight
    outputs, inputs = node.weight.shape[:2]
    found = np.zeros((outputs, inputs * node.groups, *node.kernel), node.weight.dtype)
    for output in range(outputs):
        first = output * node.groups // outputs * inputs
        found[output, first : first + inputs] = node.weight[output]
    return found
