"""From a graph of real numbers to one of integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.bounds import INT32, bounds, check_int32
from s3nn.graph.forms import Form, fill, on_pixels
from s3nn.graph.ir import Array, Edge, Graph, Node, Vertex
from s3nn.graph.levels import (
    Levels,
    by_channel,
    check_bits,
    fitting,
    importance,
    nearest,
    on_grid,
)
from s3nn.graph.nodes import (
    Add,
    Affine,
    Channels,
    Conv,
    Fire,
    Flatten,
    Image,
    Linear,
    MaxPool,
    MeanPool,
    Pool,
    RoundedMeanPool,
    SumPool,
)
from s3nn.graph.rewrite import fire_before_pools
from s3nn.graph.thresholds import drift, integer_thresholds
from s3nn.registry import name_of

INT16 = 2**15 - 1  # sums that fit are added twice as fast
ENDS_BITS = 8  # the first layer and the read-out are never coarser
# A spike that the first layer gets wrong is followed by more in every layer behind it.  Where the
# first layer is small, its weights have more bits: as many as 32-bit sums allow.
IMAGE_BITS, SMALL_SHARE = (16, 12), 0.05
HEADROOM_BITS = 29  # of 31: a product and its offset each, and what rounding adds
LARGEST_MULTIPLIER = 2**15
LARGEST_SUM = INT32 / 4  # of a first layer of more bits: clipped steps may be finer


def quantise(graph: Graph, bits: int, images: Array) -> Graph:
    """The integer graph that stands for ``graph``: int8 weights, 32-bit sums, integer thresholds.

    A hidden layer's weights have ``bits`` bits, the first layer's and the read-out's at least
    eight; weights that were trained as integers keep their levels.  Bias, batch-norm and
    normalisation go into one integer threshold a channel, ``u > floor(t)``; where a batch-norm
    scales by a negative number, the channel's weights are turned round.  A pool of potentials in
    front of neurons becomes an OR of their spikes.  Where potentials are added (residual networks),
    they are integers of one step for the whole network, as fine as 32 bits allow.

    ``images`` (N, C, H, W), uint8, calibrate: which inputs of a layer fire, and by how much its
    mean potentials move when weights are rounded, which its thresholds then make up for.

    What cannot be done in integers is an ``UnsupportedError``, as is a sum that may overflow.
    """
    return quantised(graph, bits, images).integer


@dataclass(frozen=True, eq=False)
class Quantised:
    """A graph of real numbers, neurons in front of its pools, beside the integers for it.

    A potential or count ``name`` of ``real`` is ``forms[name]`` of the integers of ``made[name]``.
    """

    real: Graph
    integer: Graph
    forms: Mapping[str, Form]
    made: Mapping[str, str]


def quantised(
    graph: Graph, bits: int, images: Array, largest_sum: float = LARGEST_SUM
) -> Quantised:
    """``quantise``, with what each integer stands for.

    The first layer has more bits only where they keep its sums below ``largest_sum``.
    """
    check_bits(bits)
    if not len(images):
        raise UsageError("quantising needs at least one image to calibrate with")
    if not any(isinstance(vertex.node, Fire) for vertex in graph):
        raise UnsupportedError(
            "a network without neurons, in integers",
            f"layer {graph.output.name}",
            "put fire neurons between its layers: `s3nn.spikify` makes them of ReLUs",
        )
    real = fire_before_pools(graph)
    quantiser = _Quantiser(real, bits, images, largest_sum)
    integer = quantiser.run()
    check_int32(integer)
    return Quantised(real, integer, quantiser.forms, quantiser.made)


class _Quantiser:
    """A walk through a real graph that appends integer vertices, run on the images as it goes."""

    def __init__(self, graph: Graph, bits: int, images: Array, largest_sum: float) -> None:
        self.graph, self.bits, self.images = graph, bits, images
        self.largest_sum = largest_sum
        self.vertices: list[Vertex] = []
        self.forms: dict[str, Form] = {}  # of potentials and counts, by the real vertex's name
        self.made: dict[str, str] = {}  # real vertex -> the integer vertex that stands for it
        self.values: dict[str, Array] = {}  # of integer vertices, for the images
        self.real: dict[str, Array] = {}  # of real vertices
        self.weighted = [v.name for v in graph if isinstance(v.node, (Conv, Linear))]
        sums = [v.name for v in graph if isinstance(v.node, Add)]
        most = bounds(graph) if sums else {}
        read = [name for total in sums for name in (total, *graph[total].inputs)]
        self.sum_step = max((most[name].magnitude for name in read), default=0.0) / 2**HEADROOM_BITS

    def run(self) -> Graph:
        for vertex, value in self.graph.values(self.images):
            self.real[vertex.name] = value
            self._take(vertex)
            self._forget(vertex)
        step = self._align_output()
        return Graph(tuple(self.vertices), step)

    def _append(self, name: str, node: Node, *inputs: str) -> str:
        self.vertices.append(Vertex(name, node, inputs))
        given = [self.values[n] for n in inputs] or [self.images]
        self.values[name] = node.run(*given)
        return name

    def _derive(self, name: str, node: Node, source: str) -> str:
        """``_append`` for what several vertices may ask for: the second one gets the first's."""
        if all(vertex.name != name for vertex in self.vertices):
            return self._append(name, node, source)
        self.values[name] = node.run(self.values[source])
        return name

    def _forget(self, vertex: Vertex) -> None:
        """Drop the values that no later vertex of the real graph needs."""
        order = [v.name for v in self.graph]
        done = set(order[: order.index(vertex.name) + 1])
        needed = {
            name
            for name in done
            if any(user.name not in done for user in self.graph.users[name])
            or name == self.graph.output.name
        }
        made = {self.made[name] for name in needed}
        self.values = {name: value for name, value in self.values.items() if name in made}
        self.real = {name: value for name, value in self.real.items() if name in needed}

    def _take(self, vertex: Vertex) -> None:
        name, node = vertex.name, vertex.node
        sources = [self.made[n] for n in vertex.inputs]
        match node:
            case Image():
                self.made[name] = self._append(name, node)
                channels = np.ones(node.shape[0])
                self.forms[name] = Form(channels, 0 * channels)
            case Affine():
                self.made[name] = sources[0]
                form = self.forms.get(vertex.inputs[0]) or self._unit(vertex.inputs[0])
                self.forms[name] = form.affine(node.scale, node.offset)
            case Conv() | Linear():
                self._weigh(vertex, node, sources[0])
            case Fire():
                self._fire(vertex, node, sources[0])
            case Add():
                step = self._counts(vertex) or self.sum_step
                aligned = [
                    self._aligned(source, made, step)
                    for source, made in zip(vertex.inputs, sources, strict=True)
                ]
                self.made[name] = self._append(name, node, *aligned)
                self.forms[name] = self._constant(name, step)
            case Channels():
                self.made[name] = self._append(name, node, *sources)
                if vertex.inputs[0] in self.forms:
                    self.forms[name] = self.forms[vertex.inputs[0]].each(node.index)
            case Flatten():
                self.made[name] = self._append(name, node, *sources)
                if vertex.inputs[0] in self.forms:
                    shape = self.graph.specs[vertex.inputs[0]].shape
                    index = np.repeat(np.arange(shape[0]), int(np.prod(shape[1:])))
                    self.forms[name] = self.forms[vertex.inputs[0]].each(index)
            case Pool():
                self._pool(vertex, node, sources[0])
            case _:
                raise AssertionError(f"no rule for {node}")

    def _constant(self, name: str, scale: float) -> Form:
        channels = self.graph.specs[name].channels
        return Form(np.full(channels, scale), np.zeros(channels))

    def _unit(self, name: str) -> Form:
        return self._constant(name, 1.0)

    def _counts(self, vertex: Vertex) -> float | None:
        """The step of all inputs of a vertex, if they are counts of spikes and have the same."""
        if self.graph.specs[vertex.name].edge is not Edge.COUNT:
            return None
        forms = [self.forms.get(name) or self._unit(name) for name in vertex.inputs]
        steps = {float(step) for form in forms for step in form.scale}
        return steps.pop() if len(steps) == 1 else None

    def _pixels(self, name: str) -> bool:
        """Whether the vertex is the image, normalised, picked from or flattened at most."""
        vertex = self.graph[name]
        if isinstance(vertex.node, Image):
            return True
        passes = isinstance(vertex.node, (Affine, Channels, Flatten))
        return passes and self._pixels(vertex.inputs[0])

    # Synapses

    def _weigh(self, vertex: Vertex, node: Conv | Linear, source: str) -> None:
        before = vertex.inputs[0]
        if self._pixels(before):
            self._weigh_pixels(vertex, node, source)
            return
        if self.graph.specs[before].edge is Edge.ANALOG:
            raise UnsupportedError(
                f"a {name_of(node)} that reads membrane potentials, in integers",
                f"layer {vertex.name}",
                "put neurons in front of it: `s3nn lint` shows every edge that is not binary",
            )
        form = self.forms.get(before) or self._unit(before)
        unit = float(form.scale.flat[0])
        if np.ptp(form.scale) or np.any(form.offset):
            raise UnsupportedError(
                "a layer that reads normalised spikes, in integers",
                f"layer {vertex.name}",
                "put the batch-norm behind the layer's weights",
            )
        levels = self._levels(vertex.name, node, self.values[source])
        turned = self._turned(vertex)
        integer = replace(node, weight=by_channel(turned, levels.levels) * levels.levels, grid=None)
        self.made[vertex.name] = self._append(vertex.name, integer, source)
        self.forms[vertex.name] = Form(levels.step * unit * turned, np.zeros(len(levels.step)))

    def _weigh_pixels(self, vertex: Vertex, node: Conv | Linear, source: str) -> None:
        """The first layer: w (scale x + offset) is (w scale) x and a constant.

        What lies around the image is the pixel that normalises to zero, rounded.
        """
        form = self.forms[vertex.inputs[0]]
        weight, taps, same = on_pixels(node, form)
        summed = self._summed(vertex.name)
        gridded = node.grid is not None and same and not summed
        grid = node.grid * abs(form.scale[0]) if gridded else None
        levels = on_grid(weight, grid, wide=True) if grid is not None else None
        levels = levels or nearest(weight, self._image_bits(vertex.name, weight))
        if summed:
            levels = self._in_sum_steps(vertex, weight, levels)
        turned = self._turned(vertex)
        integer = replace(node, weight=by_channel(turned, levels.levels) * levels.levels, grid=None)
        if isinstance(integer, Conv) and any(integer.padding):
            integer = replace(integer, fill=fill(vertex.name, form))
        self.made[vertex.name] = self._append(vertex.name, integer, source)
        self.forms[vertex.name] = Form(levels.step * turned, taps)

    def _summed(self, name: str) -> bool:
        """Whether the vertex's potential is a term of a sum."""
        passes = (Affine, Pool, Channels, Flatten)
        return any(
            isinstance(user.node, Add)
            or (isinstance(user.node, passes) and self._summed(user.name))
            for user in self.graph.users[name]
        )

    def _in_sum_steps(self, vertex: Vertex, weight: Array, levels: Levels) -> Levels:
        """Levels whose step, times the batch-norm's gain, is a multiple of the step of sums.

        A sum reads a pixel's potential times an integer.  Were the potential finer than the sum,
        that would be zero.
        """
        users = self.graph.users[vertex.name]
        gain = np.ones(len(weight))
        if len(users) == 1 and isinstance(users[0].node, Affine):
            gain = np.abs(users[0].node.scale)
        unit = self.sum_step / np.where(gain > 0, gain, 1.0)
        step = np.where(gain > 0, np.ceil(levels.step / unit) * unit, levels.step)
        largest = np.iinfo(levels.levels.dtype).max
        found = np.clip(np.rint(weight / by_channel(step, weight)), -largest, largest)
        return Levels(found.astype(levels.levels.dtype), step)

    def _image_bits(self, name: str, weight: Array) -> int:
        layers = (vertex.node for vertex in self.graph)
        total = sum(node.weight.size for node in layers if isinstance(node, (Conv, Linear)))
        if weight.size <= SMALL_SHARE * total:
            most = 255 * np.abs(weight).reshape(len(weight), -1).sum(1)
            largest = np.abs(weight).reshape(len(weight), -1).max(1)
            terms = float((most / np.where(largest > 0, largest, 1)).max())
            for bits in IMAGE_BITS:
                if terms * 2 ** (bits - 1) < self.largest_sum:
                    return bits
        return max(self.bits, ENDS_BITS)

    def _levels(self, name: str, node: Conv | Linear, inputs: Array) -> Levels:
        found = on_grid(node.weight, node.grid) if node.grid is not None else None
        if found is not None:
            return found
        bits = max(self.bits, ENDS_BITS) if name == self.weighted[-1] else self.bits
        found = nearest(node.weight, bits, importance(node, inputs))
        spikes = int(inputs.max(initial=1)) <= 1
        return fitting(node.weight, found, INT16) if spikes else found

    def _turned(self, vertex: Vertex) -> Array:
        """-1 for the channels whose batch-norm, the only reader, scales by a negative number."""
        users, signs = (
            self.graph.users[vertex.name],
            np.ones(self.graph.specs[vertex.name].channels),
        )
        if len(users) == 1 and isinstance(users[0].node, Affine):
            signs[users[0].node.scale < 0] = -1
        return signs.astype(np.int8)

    # Neurons and what else reads potentials

    def _fire(self, vertex: Vertex, node: Fire, source: str) -> None:
        before = vertex.inputs[0]
        form = self.forms.get(before) or self._unit(before)
        if (form.scale < 0).any():
            source, form = self._turn(before, source, form)
        moved = drift(self.real[before], self.values[source], form)
        threshold = integer_thresholds(node.threshold, form, moved)
        self.made[vertex.name] = self._append(vertex.name, Fire(threshold), source)

    def _pool(self, vertex: Vertex, node: Pool, source: str) -> None:
        before, name = vertex.inputs[0], vertex.name
        edge = self.graph.specs[before].edge
        form = self.forms.get(before)
        if isinstance(node, MaxPool):
            if form is not None and (form.scale < 0).any():
                source, form = self._turn(before, source, form)
            self.made[name] = self._append(name, node, source)
            if form is not None:
                self.forms[name] = form
            return
        window = (node.kernel, node.stride, node.padding, node.ceil)
        sizes = node.sizes(self.graph.specs[before].shape)
        if edge is Edge.ANALOG and not self._summable(vertex, sizes, source):
            self.made[name] = self._append(name, RoundedMeanPool(*window), source)
            self.forms[name] = form or self._unit(before)
            return
        if np.ptp(sizes):
            raise UnsupportedError(
                "a mean of spikes over windows of several sizes, in integers",
                f"layer {name}",
                "use ceil_mode=False, or a max-pool",
            )
        self.made[name] = self._append(name, SumPool(*window), source)
        scale = 1.0 / int(sizes.flat[0]) if isinstance(node, MeanPool) else 1.0
        self.forms[name] = (form or self._unit(before)).affine(np.asarray(scale), np.asarray(0.0))

    def _summable(self, vertex: Vertex, sizes: Array, source: str) -> bool:
        """Whether potentials may be summed in place of their mean, which would round them.

        Windows have one size, the sums 32 bits, and no residual sum has a step for what it reads.
        """
        most = bounds(Graph(tuple(self.vertices)))[source].magnitude * int(sizes.max())
        return not np.ptp(sizes) and most <= INT32 and not self._summed(vertex.name)

    def _turn(self, before: str, source: str, form: Form) -> tuple[str, Form]:
        signs = np.sign(form.scale)
        turn = Affine(signs.astype(np.int64), np.zeros(len(signs), np.int64))
        turned = self._derive(f"{before}.turned", turn, source)
        return turned, Form(form.scale * signs, form.offset)

    def _aligned(self, before: str, source: str, step: float) -> str:
        """The integer vertex that counts in ``step`` what the real vertex ``before`` holds."""
        form = self.forms.get(before) or self._unit(before)
        if np.all(form.scale == step) and not np.any(form.offset):
            return source
        node = Affine(
            np.rint(form.scale / step).astype(np.int64),
            np.rint(form.offset / step).astype(np.int64),
        )
        return self._derive(f"{before}.aligned", node, source)

    def _align_output(self) -> float:
        """Logits are compared with each other: all have one step."""
        name = self.graph.output.name
        form = self.forms.get(name) or self._unit(name)
        most = bounds(Graph(tuple(self.vertices)))[self.made[name]].magnitude
        largest = float(np.abs(form.scale).max()) * most + float(np.abs(form.offset).max())
        step = max(largest / 2**HEADROOM_BITS, float(np.abs(form.scale).max()) / LARGEST_MULTIPLIER)
        last = self._aligned(name, self.made[name], step)
        if last != self.vertices[-1].name:
            raise AssertionError("the output is not the last vertex")
        return step
