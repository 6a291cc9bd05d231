"""What the compiled network does, step by step, and where everything lies in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from s3nn.errors import UnsupportedError
from s3nn.graph.bounds import Bound, check_int32
from s3nn.graph.ir import Array, Edge, Graph, Node, Spec, Vertex
from s3nn.graph.nodes import Affine, Conv, Fire, Flatten, Image, Linear, MaxPool, Pool, Spikes

ENTRY = 2  # bytes of an entry of a spike list, 16 bits
LIST_SLACK = 32  # entries, as in kernels/base.h
LARGEST_ENTRY = 2**16 - 1
LEAST_ROWS8 = 4
LARGEST_HALF = 2**15 - 1
WIDEST_SWEEP = 5  # columns of a kernel whose sums fit the registers
WORD_BITS = 32
ALIGNMENT = 64
# Where more of a layer's inputs fire than this, reading all of them is as quick: nowhere, says the
# sweep of benchmarks/inference.py.
DENSE_ABOVE = 1.0


class Kernel(StrEnum):
    """Which kernel runs a convolution."""

    DENSE = "dense"  # reads every input
    EVENT = "event"  # reads spikes, pixel by pixel
    SWEEP = "sweep"  # reads spikes, column by column: stride 1, 16-bit sums


class Kind(StrEnum):
    """How a value lies in memory."""

    IMAGE = "image"  # uint8 [channel][row][column], as it is given
    SPIKES = "spikes"  # bits [row][column][word]
    INTEGERS = "integers"  # int32 [row][column][channel]


@dataclass(frozen=True)
class Value:
    """One map: (C, H, W); a vector of F features behind an image keeps the image's three sides."""

    name: str
    kind: Kind
    channels: int
    height: int
    width: int

    @property
    def words(self) -> int:
        """Words of bits a pixel: one, or as many pairs as hold the channels."""
        words = -(-self.channels // WORD_BITS)
        return words if words == 1 else words + words % 2

    @property
    def size_bytes(self) -> int:
        match self.kind:
            case Kind.IMAGE:
                return 0
            case Kind.SPIKES:
                return 4 * self.height * self.width * self.words
        return 4 * self.height * self.width * self.channels


@dataclass(frozen=True)
class Widen(Node):
    """Spikes as the integers 0 and 1."""

    def infer(self, *inputs: Spec) -> Spec:
        return Spec(inputs[0].shape, Edge.COUNT)

    def run(self, *inputs: Array) -> Array:
        return inputs[0].astype(np.int32)


@dataclass(frozen=True, eq=False)
class Step:
    """A vertex to run, the values it reads and the one it writes."""

    vertex: Vertex
    inputs: tuple[Value, ...]
    output: Value


@dataclass(frozen=True, eq=False)
class Convolution(Step):
    """A convolution, or a linear layer as one as large as its input, with what follows it.

    ``weight`` (C_out, C_in, kh, kw) with groups filled in by zeros.  It fires where a sum exceeds
    ``thresholds``, or where there are none gives ``sum * scales + offsets``.
    """

    weight: Array
    stride: tuple[int, int]
    padding: tuple[int, int]
    bound: Bound
    fill: Array | None = None
    thresholds: Array | None = None
    scales: Array | None = None
    offsets: Array | None = None
    kernel: Kernel = Kernel.EVENT
    rate: float | None = None

    @property
    def largest(self) -> int:
        """The largest size of a weight, 1 at least."""
        return int(np.abs(self.weight.astype(np.int64)).max(initial=1))

    @property
    def rows8(self) -> int:
        """How many rows of weights can be added in 8 bits: one at least, even of -128."""
        return max(1, 127 // self.largest)

    @property
    def wide(self) -> bool:
        """Whether so few rows can be added in 8 bits that a sweep adds them in 16."""
        return self.rows8 < LEAST_ROWS8

    @property
    def sums(self) -> int:
        """Bits of a sum."""
        return 16 if self.bound.magnitude <= LARGEST_HALF else 32


@dataclass(frozen=True, eq=False)
class Plan:
    """The steps in order, and each value's place in the arena, in bytes from its start."""

    steps: tuple[Step, ...]
    places: Mapping[str, int]
    scratch_bytes: int
    arena_bytes: int
    image: Value
    output: Value


def plan(
    graph: Graph, rates: Mapping[str, float] | None = None, dense_above: float = DENSE_ABOVE
) -> Plan:
    """How to run an integer graph; ``rates`` are firing rates of vertices from a calibration.

    A convolution whose input fires more often than ``dense_above`` reads all of its inputs.
    """
    planner = _Planner(graph, rates or {}, dense_above)
    for vertex in graph:
        planner.take(vertex)
    return planner.finish()


def firing_rates(graph: Graph, images: Array) -> dict[str, float]:
    """The mean of every spiking vertex of an integer graph over images."""
    return {
        vertex.name: float(value.mean())
        for vertex, value in graph.values(images)
        if graph.specs[vertex.name].edge is Edge.SPIKE
    }


@dataclass
class _Planner:
    graph: Graph
    rates: Mapping[str, float]
    dense_above: float
    steps: list[Step] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.bounds = check_int32(self.graph)

    def take(self, vertex: Vertex) -> None:
        if vertex.name in self.done:
            return
        match vertex.node:
            case Image():
                self.values[vertex.name] = self._value(vertex, Kind.IMAGE)
            case Spikes():
                self.values[vertex.name] = self._value(vertex, Kind.SPIKES)
            case Flatten():
                self._flatten(vertex)
            case Conv() | Linear():
                self._convolution(vertex, vertex.node)
            case _:
                self._map(vertex)

    def _value(self, vertex: Vertex, kind: Kind) -> Value:
        shape = (*self.graph.specs[vertex.name].shape, 1, 1)[:3]
        return Value(vertex.name, kind, *shape)

    @staticmethod
    def _kind(node: Node, source: Value) -> Kind:
        """Neurons give bits, and a maximum of bits does; all else are integers."""
        spikes = isinstance(node, Fire) or (
            isinstance(node, MaxPool) and source.kind is Kind.SPIKES
        )
        return Kind.SPIKES if spikes else Kind.INTEGERS

    def _flatten(self, vertex: Vertex) -> None:
        """Nothing is done for linear layers, whose weights are put in the order of the map."""
        source, users = self.values[vertex.inputs[0]], self.graph.users[vertex.name]
        in_order = source.height * source.width == 1 or source.kind is Kind.IMAGE
        if in_order or (users and all(isinstance(user.node, (Linear, Flatten)) for user in users)):
            self.values[vertex.name] = source
        else:
            self._map(vertex)

    def _map(self, vertex: Vertex) -> None:
        inputs = tuple(self.values[name] for name in vertex.inputs)
        if not isinstance(vertex.node, Pool):
            inputs = tuple(self._integers(value) for value in inputs)
        if any(value.kind is Kind.IMAGE for value in inputs):
            raise UnsupportedError(
                f"{type(vertex.node).__name__} of raw pixels in compiled form",
                f"layer {vertex.name}",
                "let a convolution or a linear layer read the image first",
            )
        output = self._value(vertex, self._kind(vertex.node, inputs[0]))
        self.values[vertex.name] = output
        self.steps.append(Step(vertex, inputs, output))

    def _integers(self, value: Value) -> Value:
        """The value as integers: spikes become 0 and 1."""
        if value.kind is not Kind.SPIKES:
            return value
        output = replace(value, name=f"{value.name}.integers", kind=Kind.INTEGERS)
        if output.name not in self.values:
            self.values[output.name] = output
            self.steps.append(Step(Vertex(output.name, Widen(), (value.name,)), (value,), output))
        return output

    def _convolution(self, vertex: Vertex, node: Conv | Linear) -> None:
        source = self.values[vertex.inputs[0]]
        if isinstance(node, Linear):
            weight = node.weight.reshape(-1, source.channels, source.height, source.width)
            stride, padding, fill = (1, 1), (0, 0), None
        else:
            weight, stride, padding, fill = _whole(node), node.stride, node.padding, node.fill
        last, thresholds, scales, offsets = vertex, None, None, None
        bound = self.bounds[vertex.name]
        users = self.graph.users[vertex.name]
        if len(users) == 1 and isinstance(users[0].node, Fire):
            last = users[0]
            # A limit beyond what a sum can be says the same at the edge of what it can be.
            thresholds = np.clip(users[0].node.threshold, bound.least - 1, bound.largest)
        elif len(users) == 1 and isinstance(users[0].node, Affine):
            last, scales, offsets = users[0], users[0].node.scale, users[0].node.offset
        if last is not vertex:
            self.done.add(last.name)
        output = self._value(last, Kind.SPIKES if thresholds is not None else Kind.INTEGERS)
        self.values[last.name] = output
        rate = self.rates.get(vertex.inputs[0])
        dense = (
            source.kind is not Kind.SPIKES
            or source.width * source.channels > LARGEST_ENTRY
            or weight.dtype.itemsize > 1
            or (rate is not None and rate > self.dense_above)
        )
        if source.kind is Kind.INTEGERS and self.bounds[vertex.inputs[0]].magnitude > LARGEST_HALF:
            raise UnsupportedError(
                "a layer that reads counts of more than 15 bits in compiled form",
                f"layer {vertex.name}",
                "pool over smaller windows in front of it",
            )
        kernel = Kernel.DENSE if dense else Kernel.EVENT
        sweeps = stride == (1, 1) and output.width > 1 and weight.shape[3] <= WIDEST_SWEEP
        sweeps = sweeps and weight.shape[2] * source.channels <= LARGEST_ENTRY
        if not dense and sweeps and bound.magnitude <= LARGEST_HALF:
            kernel = Kernel.SWEEP
        self.steps.append(
            Convolution(
                last, (source,), output, weight, stride, padding, bound, fill,
                thresholds, scales, offsets, kernel, rate,
            )
        )  # fmt: skip

    def finish(self) -> Plan:
        output = self.values[self.graph.output.name]
        scratch = max(
            (scratch_bytes(s) for s in self.steps if isinstance(s, Convolution)), default=0
        )
        scratch = _aligned(scratch)
        places, top = _places(self.steps, output, scratch)
        image = self.values[self.graph.image.name]
        return Plan(tuple(self.steps), places, scratch, top, image, output)


def scratch_bytes(step: Convolution) -> int:
    """What a convolution needs beside its input and output: lists of spikes, or a padded field."""
    source, high = step.inputs[0], step.weight.shape[2]
    if step.kernel is not Kernel.DENSE:
        return ENTRY * high * (source.width * (source.channels + 1) + 1 + LIST_SLACK)
    rows, columns = source.height + 2 * step.padding[0], source.width + 2 * step.padding[1]
    return 2 * (rows * columns * source.channels + 1)


def _whole(node: Conv) -> Array:
    """A grouped convolution's weight with the zeros that it stands for."""
    if node.groups == 1:
        return node.weight
    c_out, c_in, high, wide = node.weight.shape
    whole = np.zeros((c_out, c_in * node.groups, high, wide), node.weight.dtype)
    for group in range(node.groups):
        rows = slice(group * c_out // node.groups, (group + 1) * c_out // node.groups)
        whole[rows, group * c_in : (group + 1) * c_in] = node.weight[rows]
    return whole


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _places(steps: list[Step], output: Value, start: int) -> tuple[dict[str, int], int]:
    """A place for every value while it is needed, the lowest that is free."""
    last_use = {step.output.name: number for number, step in enumerate(steps)}
    for number, step in enumerate(steps):
        for value in step.inputs:
            last_use[value.name] = number
    places: dict[str, int] = {}
    alive: list[tuple[int, int, str]] = []  # from, to, name
    top = start
    for number, step in enumerate(steps):
        alive = [part for part in alive if last_use[part[2]] >= number]
        size = _aligned(step.output.size_bytes)
        if step.output.name == output.name:
            size = 0  # the caller's memory
        place = start
        for begin, end, _ in sorted(alive):
            if begin - place >= size:
                break
            place = max(place, end)
        places[step.output.name] = place
        alive.append((place, place + size, step.output.name))
        top = max(top, place + size)
    return places, top
