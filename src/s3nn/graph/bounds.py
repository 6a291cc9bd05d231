"""How large the values of a graph can get, whatever the image: proved from its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Array, Edge, Graph, Vertex
from s3nn.graph.nodes import (
    Add,
    Affine,
    Channels,
    Conv,
    Fire,
    Flatten,
    Image,
    Linear,
    Spikes,
    SumPool,
)

INT32 = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Bound:
    """The least and the largest value of each channel, (C,) each.

    A sum of products lies between the sum of its negative and that of its positive terms however
    many of them there are, so that a partial sum in any order stays inside too.
    """

    least: Array
    largest: Array

    @property
    def magnitude(self) -> float:
        """The largest absolute value of all channels."""
        return float(max(np.abs(self.least).max(), np.abs(self.largest).max()))


def bounds(graph: Graph) -> dict[str, Bound]:
    """The bound of every vertex, by name; in the arithmetic (integers, float64) of the graph.

    >>> from s3nn.graph.nodes import Linear
    >>> sums = Linear(np.array([[1, -2]]))
    >>> graph = Graph((Vertex("image", Image((2,))), Vertex("sum", sums, ("image",))))
    >>> bounds(graph)["sum"].least.tolist(), bounds(graph)["sum"].largest.tolist()
    ([-510], [255])
    """
    found: dict[str, Bound] = {}
    for vertex in graph:
        found[vertex.name] = _bound(graph, vertex, _inputs(found, vertex))
    return found


def _inputs(found: dict[str, Bound], vertex: Vertex) -> list[Bound]:
    return [found[name] for name in vertex.inputs]


def check_int32(graph: Graph) -> dict[str, Bound]:
    """The bounds of an integer graph; an accumulator that could overflow is an error."""
    found = bounds(graph)
    for vertex in graph:
        most = found[vertex.name].magnitude
        if isinstance(vertex.node, Affine):  # the product, before the offset is added
            product = replace(vertex.node, offset=np.zeros_like(vertex.node.offset))
            most = max(
                most, _bound(graph, replace(vertex, node=product), _inputs(found, vertex)).magnitude
            )
        if most > INT32:
            raise UnsupportedError(
                f"an accumulator that may reach {most:.3g}, beyond 32 bits",
                f"layer {vertex.name}",
                "use fewer bits a weight, or a layer with fewer inputs",
            )
    return found


def _bound(graph: Graph, vertex: Vertex, inputs: list[Bound]) -> Bound:
    spec, node = graph.specs[vertex.name], vertex.node
    if spec.edge is Edge.SPIKE and isinstance(node, (Fire, Spikes)):
        return _constant(spec.channels, 0, 1)
    match node:
        case Image():
            return _constant(spec.channels, 0, 255)
        case Affine():
            return _scaled(inputs[0], node.scale, node.offset)
        case Conv():
            return _convolved(node, inputs[0])
        case Linear():
            weight = _wide(node.weight)
            return _weighted(weight, inputs[0].least, inputs[0].largest)
        case Add():
            a, b = inputs
            return Bound(a.least + b.least, a.largest + b.largest)
        case Channels():
            return _each(inputs[0], lambda values: values[node.index])
        case Flatten():
            pixels = spec.channels // len(inputs[0].least)
            return _each(inputs[0], lambda values: np.repeat(values, pixels))
    if type(node) is SumPool:
        sizes = node.sizes(graph.specs[vertex.inputs[0]].shape)
        fewest, most = int(sizes.min()), int(sizes.max())
        least, largest = inputs[0].least, inputs[0].largest
        return Bound(
            np.minimum(least * fewest, least * most), np.maximum(largest * fewest, largest * most)
        )
    return inputs[0]  # the largest or the mean of what comes in


def _wide(weight: Array) -> Array:
    return weight.astype(np.int64 if np.issubdtype(weight.dtype, np.integer) else np.float64)


def _constant(channels: int, least: int, largest: int) -> Bound:
    return Bound(np.full(channels, least), np.full(channels, largest))


def _each(bound: Bound, change: Callable[[Array], Array]) -> Bound:
    return Bound(change(bound.least), change(bound.largest))


def _scaled(bound: Bound, scale: Array, offset: Array) -> Bound:
    ends = np.stack([bound.least * scale + offset, bound.largest * scale + offset])
    return Bound(ends.min(0), ends.max(0))


def _convolved(node: Conv, bound: Bound) -> Bound:
    """Of all taps, whether they hang over the border or not: the fill is a value of the input's."""
    least, largest = bound.least, bound.largest
    if any(node.padding):
        fill = np.zeros_like(least) if node.fill is None else node.fill
        least, largest = np.minimum(least, fill), np.maximum(largest, fill)
    weight = _wide(node.weight)
    c_out, c_in = weight.shape[:2]
    taps = weight.shape[2] * weight.shape[3]
    parts = []
    for group in range(node.groups):
        own = slice(group * c_in, (group + 1) * c_in)
        rows = weight[group * c_out // node.groups : (group + 1) * c_out // node.groups]
        parts.append(
            _weighted(
                rows.reshape(len(rows), -1),
                np.repeat(least[own], taps),
                np.repeat(largest[own], taps),
            )
        )
    return Bound(
        np.concatenate([part.least for part in parts]),
        np.concatenate([part.largest for part in parts]),
    )


def _weighted(weight: Array, least: Array, largest: Array) -> Bound:
    """Of sums of weight (C, F) times inputs between ``least`` and ``largest`` (F,).

    Zero is let in at both ends, so that no partial sum lies outside.
    """
    low, high = weight * least, weight * largest
    return Bound(
        np.minimum(np.minimum(low, high), 0).sum(1), np.maximum(np.maximum(low, high), 0).sum(1)
    )
