"""What a network is without a framework: operations on arrays, and the type of every edge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Edge(StrEnum):
    """The type of the values on an edge.

    analog  real numbers: a synapse that reads them multiplies and accumulates (MAC)
    spike   0 or 1, most of them 0: a synapse adds a weight a spike (AC), silence costs nothing
    sign    -1 or +1: a synapse adds or subtracts a weight for every input (AC), none is silent
    count   a sum or mean of spikes: a few multiplications, as in front of a read-out
    time    the step of a neuron's only spike, inf for none: a spike, written as when it comes
    """

    ANALOG = "analog"
    SPIKE = "spike"
    SIGN = "sign"
    COUNT = "count"
    TIME = "time"

    @property
    def binary(self) -> bool:
        """Whether a synapse that reads this edge needs no multiplication."""
        return self in (Edge.SPIKE, Edge.SIGN, Edge.TIME)


@dataclass(frozen=True)
class Spec:
    """What travels along an edge: the shape of one image's values, (C, H, W) or (F,), and type."""

    shape: tuple[int, ...]
    edge: Edge

    @property
    def channels(self) -> int:
        return self.shape[0]


class Node(ABC):
    """One operation, a frozen dataclass.  The same nodes make a graph of real numbers, as trained,
    and one of integers, as deployed: only the parameters' dtype differs.
    """

    @abstractmethod
    def infer(self, *inputs: Spec) -> Spec:
        """What comes out; inputs that do not fit are a ``UsageError``."""

    @abstractmethod
    def run(self, *inputs: Array) -> Array:
        """The outputs (N, ...) of a batch of inputs (N, ...)."""


@dataclass(frozen=True, eq=False)
class Vertex:
    """A node at its place: its name, that of the layer it was, and the names it reads."""

    name: str
    node: Node
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """Vertices in the order they run, the image first and the logits last.

    ``step`` is what one unit of the output stands for: 1 in a graph of real numbers.

    >>> from s3nn.graph.nodes import Fire, Image
    >>> image, fire = Image((1, 2, 2)), Fire(np.array([7]))
    >>> graph = Graph((Vertex("image", image), Vertex("fire", fire, ("image",))))
    >>> graph.specs["fire"]
    Spec(shape=(1, 2, 2), edge=<Edge.SPIKE: 'spike'>)
    >>> graph.run(np.arange(6, 10, dtype=np.uint8).reshape(1, 1, 2, 2)).tolist()
    [[[[0, 0], [1, 1]]]]
    """

    vertices: tuple[Vertex, ...]
    step: float = 1.0

    @cached_property
    def _by_name(self) -> Mapping[str, Vertex]:
        found = {vertex.name: vertex for vertex in self.vertices}
        assert len(found) == len(self.vertices), "two vertices have one name"
        return found

    def __getitem__(self, name: str) -> Vertex:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Vertex]:
        return iter(self.vertices)

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def image(self) -> Vertex:
        return self.vertices[0]

    @property
    def output(self) -> Vertex:
        return self.vertices[-1]

    @cached_property
    def specs(self) -> Mapping[str, Spec]:
        """The spec of every vertex's output."""
        found: dict[str, Spec] = {}
        for vertex in self.vertices:
            found[vertex.name] = vertex.node.infer(*(found[name] for name in vertex.inputs))
        return found

    @cached_property
    def users(self) -> Mapping[str, tuple[Vertex, ...]]:
        """Who reads a vertex's output."""
        found: dict[str, tuple[Vertex, ...]] = {vertex.name: () for vertex in self.vertices}
        for vertex in self.vertices:
            for name in vertex.inputs:
                found[name] += (vertex,)
        return found

    def values(self, images: Array) -> Iterator[tuple[Vertex, Array]]:
        """Every vertex with its output for a batch of raw images (N, C, H, W), in order."""
        kept: dict[str, Array] = {}
        left = {name: len(users) for name, users in self.users.items()}
        for vertex in self.vertices:
            given = [kept[name] for name in vertex.inputs] or [images]
            kept[vertex.name] = vertex.node.run(*given)
            yield vertex, kept[vertex.name]
            for name in vertex.inputs:
                left[name] -= 1
                if not left[name]:
                    kept.pop(name, None)

    def run(self, images: Array, batch: int = 500) -> Array:
        """The logits (N, classes) of raw images (N, C, H, W), uint8."""
        if not len(images):
            return self.run(np.zeros((1, *images.shape[1:]), images.dtype))[:0]
        found = []
        for start in range(0, len(images), batch):
            *_, (_, logits) = self.values(images[start : start + batch])
            found.append(logits)
        return np.concatenate(found)
