"""Whatever the shapes and the weights, the compiled network gives what the reference gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Array, Edge, Graph, Node, Vertex
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
    RoundedMeanPool,
    SumPool,
)
from s3nn.runtime.emit import emit
from s3nn.runtime.engine import Program
from s3nn.runtime.plan import Convolution, Kernel, Kind, plan

# A compilation costs a second, and to shrink a failure costs hundreds of them.
FEW = settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
IMAGES = 6


class Builder:
    """A graph of integers, at whose every vertex the shape is known; random where not told."""

    def __init__(self, seed: int, shape: tuple[int, int, int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.vertices = [Vertex("image", Image(shape))]
        self.images = self.rng.integers(0, 256, (IMAGES, *shape), dtype=np.uint8)
        self.images[0], self.images[1] = 0, 255

    @property
    def last(self) -> str:
        return self.vertices[-1].name

    @property
    def graph(self) -> Graph:
        return Graph(tuple(self.vertices))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.graph.specs[self.last].shape

    def add(self, node: Node, *inputs: str) -> str:
        name = f"{type(node).__name__.lower()}{len(self.vertices)}"
        self.vertices.append(Vertex(name, node, inputs or (self.last,)))
        return name

    def value(self) -> Array:
        *_, (_, value) = self.graph.values(self.images)
        return value

    def weight(self, *shape: int, bits: int) -> Array:
        largest = 2 ** (bits - 1) - 1
        kind = np.int8 if bits <= 8 else np.int16
        return self.rng.integers(-largest, largest + 1, shape).astype(kind)

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        groups: int = 1,
        bits: int = 8,
    ) -> str:
        """A convolution whose kernel is cut to the image; an image is padded with its own pixel."""
        before, *sides = self.shape
        high, wide = (min(k, s + 2 * p) for k, s, p in zip(kernel, sides, padding, strict=True))
        weight = self.weight(channels, before // groups, high, wide, bits=bits)
        reads_image = self.last == "image" and any(padding)
        fill = self.rng.integers(0, 256, before) if reads_image else None
        return self.add(Conv(weight, stride, padding, groups, fill))

    def fire(self, rate: float | None = None) -> str:
        """Neurons of which about ``rate`` fire: thresholds between the potentials of the images."""
        u = self.value()
        columns = np.moveaxis(u, 1, 0).reshape(u.shape[1], -1)
        share = self.rng.uniform(0, 1) if rate is None else rate
        threshold = np.quantile(columns, 1 - share, axis=1, method="nearest").astype(np.int64)
        if rate == 1:
            threshold = columns.min(1) - 1
        return self.add(Fire(threshold))

    def logits(self, classes: int = 3, bits: int = 8) -> Graph:
        if len(self.shape) > 1:
            self.add(Flatten())
        self.add(Linear(self.weight(classes, *self.shape, bits=bits)))
        self.add(Affine(self.rng.integers(-9, 10, classes), self.rng.integers(-99, 100, classes)))
        return self.graph


def check(graph: Graph, images: Array, *, dense: bool = False) -> list[Kernel]:
    """Compare both forms of the generated C with the reference; which kernels ran."""
    expected = graph.run(images)
    shape = graph.image.node.infer().shape
    spiking = [v.name for v in graph if graph.specs[v.name].edge is Edge.SPIKE]
    steps = plan(graph, dict.fromkeys(spiking, 1.0), dense_above=0.5 if dense else 1.0)
    for vectors in (True, False):
        program = Program(emit(steps, "test", vectors=vectors), shape, expected.shape[1])
        np.testing.assert_array_equal(program(images), expected, err_msg=f"vectors={vectors}")
    return [step.kernel for step in steps.steps if isinstance(step, Convolution)]


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
kernels = st.sampled_from([(1, 1), (3, 3), (5, 5), (1, 3), (4, 2), (2, 7)])
paddings = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    sides=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    kernel=kernels,
    stride=pairs,
    padding=paddings,
    bits=st.sampled_from([8, 6, 4, 2]),
    dense=st.booleans(),
)
@FEW
def test_convolutions(
    seed: int,
    channels: tuple[int, int],
    sides: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    bits: int,
    dense: bool,
) -> None:
    """Of an image, of spikes with the drawn stride and with none, and of spikes in groups."""
    one = Builder(seed, (int(seed % 3) + 1, *sides))
    one.conv(channels[0], kernel, (1, 1), padding, bits=16)
    one.fire()
    one.conv(channels[1], kernel, stride, padding, bits=bits)
    one.fire()
    one.conv(2 * channels[0], (3, 3), (1, 1), (1, 1), bits=bits)
    one.fire()
    one.conv(2 * channels[1], kernel, stride, padding, groups=2, bits=bits)
    one.fire()
    check(one.logits(bits=bits), one.images, dense=dense)


@pytest.mark.parametrize("rate", [0, 1])
@pytest.mark.parametrize("dense", [False, True])
def test_all_or_no_neurons_fire(rate: float, dense: bool) -> None:
    """With every kernel, in 16 and in 32 bits; the widest layers fill whole vectors."""
    one = Builder(1, (1, 7, 6))
    one.conv(64, padding=(1, 1))
    one.fire(rate)
    assert one.value().mean() == rate
    one.conv(256, (1, 1), bits=2)  # four vectors a tile
    one.fire(rate)
    one.conv(32, (3, 3), (2, 2), (1, 1), bits=2)
    one.fire(rate)
    one.conv(32, (3, 3), padding=(1, 1))
    one.fire(rate)
    one.conv(130, (3, 3))
    one.fire(rate)
    found = check(one.logits(), one.images, dense=dense)
    assert set(found) == ({Kernel.DENSE} if dense else set(Kernel))


@pytest.mark.parametrize("weight", [127, -127, -128])
def test_the_largest_sums(weight: int) -> None:
    """Sums of one sign at the edge of 16 bits, and beyond; of -128 a byte holds one row."""
    one = Builder(2, (1, 6, 7))
    one.conv(64)
    for shape, stride in (((33, 64, 2, 2), 1), ((20, 33, 1, 3), 2), ((9, 20, 2, 1), 1)):
        one.fire(1)
        one.add(Conv(np.full(shape, weight, np.int8), (1, stride)))  # the first: 256 weights
    one.fire()
    steps = plan(one.logits()).steps
    assert [step.sums for step in steps[1:4]] == [32 if weight == -128 else 16, 16, 16]
    check(one.graph, one.images)
    one = Builder(3, (1, 6, 7))
    one.conv(64)
    one.fire(1)
    one.add(Conv(np.full((33, 64, 3, 3), weight, np.int8)))
    one.fire()
    assert plan(one.logits()).steps[1].sums == 32
    check(one.graph, one.images)


def test_padding_larger_than_the_kernel() -> None:
    one = Builder(4, (2, 5, 3))
    one.conv(9, (1, 1), padding=(2, 3))
    one.fire()
    one.conv(40, (2, 1), (1, 1), (4, 2))
    one.fire()
    one.conv(21, (2, 2), (2, 3), (3, 5))
    one.fire()
    assert len(set(check(one.logits(), one.images))) == 3


@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(1, 40),
    sides=st.tuples(st.integers(4, 7), st.integers(4, 7)),
    kernel=st.tuples(st.integers(2, 4), st.integers(1, 4)),
    stride=pairs,
    ceil=st.booleans(),
)
@FEW
def test_pools_and_residual_sums(
    seed: int,
    channels: int,
    sides: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    ceil: bool,
) -> None:
    """Sums of potentials with skips, every pool of potentials, counts and spikes."""
    one = Builder(seed, (1, *sides))
    padding = (kernel[0] // 2, kernel[1] // 2)
    skip = one.conv(channels, padding=(1, 1), bits=8)
    one.fire()
    one.add(MaxPool((2, 2), (1, 1), (1, 1)))
    spikes = one.conv(channels, (2, 2))
    scale = one.rng.integers(-20, 20, channels)
    one.add(Affine(scale, one.rng.integers(-999, 999, channels)), spikes)
    one.add(Add(), one.last, skip)
    middle = np.median(one.value(), axis=(0, 2, 3)).astype(np.int64)
    potential = one.add(Affine(np.ones(channels, int), -middle))
    kind = one.rng.choice([RoundedMeanPool, SumPool])
    pooled = one.add(kind(kernel, stride, (0, 0), ceil))
    assert one.value().min() <= 0
    kept = one.add(Channels(one.rng.integers(0, channels, 2 * channels)), pooled)
    one.fire()
    fired = one.last
    one.add(MaxPool(kernel, stride, padding, ceil), potential)
    one.add(Affine(np.full(channels, -1), np.zeros(channels, int)))
    one.fire()
    deep = one.conv(2 * channels, one.shape[1:], bits=4)
    one.fire()
    one.add(Channels(np.arange(2 * channels)[::-1].copy()))
    one.add(MaxPool((1, 1), (1, 1)))
    last = one.last
    one.add(SumPool((2, 2), (1, 1), (1, 1), ceil), fired)
    one.conv(2 * channels, one.shape[1:], bits=4)
    counted = one.last
    one.add(Add(), counted, last)
    one.add(Add(), one.last, deep)
    one.add(Flatten())
    assert one.graph.specs[kept].channels == 2 * channels
    check(one.graph, one.images)


@pytest.mark.parametrize("flat", ["fire", "affine", "end"])
def test_what_is_flattened_before_the_neurons(flat: str) -> None:
    """Features are channels first; maps in memory are channels last."""
    one = Builder(5, (1, 5, 6))
    one.conv(7)
    one.add(Flatten())
    if flat == "affine":
        one.add(Affine(*one.rng.integers(-9, 10, (2, *one.shape))))
    if flat != "end":
        one.fire()
        one.logits()
    check(one.graph, one.images)


def test_wide_weights_of_spikes() -> None:
    one = Builder(6, (1, 5, 6))
    one.conv(7)
    one.fire()
    one.conv(9, bits=16)
    one.fire()
    assert check(one.logits(), one.images)[1] is Kernel.DENSE


def test_flat_images() -> None:
    one = Builder(7, (3, 4, 5))
    one.add(Flatten())
    one.add(Linear(one.weight(70, 60, bits=16)))
    one.fire()
    one.add(Linear(one.weight(33, 70, bits=2)))
    one.fire()
    check(one.logits(), one.images)


def test_values_share_memory_only_one_after_another() -> None:
    one = Builder(8, (1, 6, 6))
    one.conv(8)
    one.fire()
    for _ in range(4):
        one.conv(8, padding=(1, 1))
        one.fire()
    found = plan(one.logits())
    sizes = [step.output.size_bytes for step in found.steps if step.output.kind is Kind.SPIKES]
    assert found.arena_bytes < found.scratch_bytes + 64 * 3
    assert len(sizes) == 5
    used = [
        (found.places[s.inputs[0].name], found.places[s.output.name]) for s in found.steps[1:-1]
    ]
    assert all(a != b for a, b in used)


def test_what_cannot_be_planned() -> None:
    one = Builder(9, (1, 4, 4))
    one.add(MaxPool((2, 2), (2, 2)))
    with pytest.raises(UnsupportedError, match=r"MaxPool of raw pixels.*layer maxpool1"):
        plan(one.logits())
    one = Builder(9, (1, 4, 4))
    one.conv(2)
    one.add(SumPool((2, 2), (2, 2)))
    with pytest.raises(UnsupportedError, match=r"more than 15 bits.*layer linear4"):
        plan(one.logits(bits=4))
    graph = Builder(9, (1, 4, 4)).graph
    huge = Affine(np.array([2**30]), np.array([0]))
    with pytest.raises(UnsupportedError, match="beyond 32 bits"):
        plan(Graph((*graph, replace(Vertex("big", huge), inputs=("image",)))))
