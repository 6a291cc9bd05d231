"""Integers stand for the real numbers they were made from, and never overflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.bounds import INT32, bounds, check_int32
from s3nn.graph.ir import Array, Graph, Node, Vertex
from s3nn.graph.levels import BITS, fitting, nearest
from s3nn.graph.lower import lower
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
from s3nn.graph.quantise import INT16, Quantised, fire_before_pools, quantise, quantised
from s3nn.graph.windows import matmul
from s3nn.models import Parts
from s3nn.registry import MODELS

Randomised = Callable[[nn.Module], nn.Module]
NAMES = [name for name in MODELS.names() if name != "autoencoder"]  # it folds its outputs
SHAPES = {"mlp": (1, 7, 5), "cnn7": (2, 9, 11), "vgg11": (3, 33, 35), "resnet18": (2, 13, 9)}
LARGE = (3, 37, 33)
MEAN = 0.2  # 51 of 255: what pads the image is a whole pixel
CHAINS = ("mlp", "cnn7", "vgg11")
# Shares of wrong spikes, and of logits the mean error in standard deviations: twice the most that
# six seeds and three synapses gave, of networks whose gains no training chose.
BARS = {
    "mlp": (1e-4, 0.006),
    "cnn7": (1e-4, 0.01),
    "vgg11": (0.01, 0.35),
    "resnet18": (0.015, 0.2),
    "imagenet_resnet18": (0.01, 0.13),
    "imagenet_resnet34": (0.02, 0.25),
}


def images(shape: tuple[int, ...], count: int = 16) -> Array:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


def chain(*nodes: Node) -> Graph:
    """A graph in which every node reads the one before: the image, then 1, 2, ..."""
    names = ["image", *map(str, range(1, len(nodes)))]
    return Graph(
        tuple(
            Vertex(name, node, tuple(names[at - 1 : at]) if at else ())
            for at, (name, node) in enumerate(zip(names, nodes, strict=True))
        )
    )


def model(name: str, synapse: str, randomised: Randomised, mean: float = MEAN) -> Graph:
    shape = SHAPES.get(name, LARGE)
    network = MODELS.get(name)(shape, 10, Parts(synapse=synapse), 0.125)
    return lower(randomised(network), shape, (mean,), (0.5,))


def flips(found: Quantised, x: Array) -> list[float]:
    """The share of neurons of each layer that fire when they should not or the reverse."""
    layers = [v.name for v in found.real if isinstance(v.node, Fire)]
    real = {v.name: value for v, value in found.real.values(x)}
    integer = {v.name: value for v, value in found.integer.values(x)}
    return [float((real[name] != integer[found.made[name]]).mean()) for name in layers]


@pytest.mark.parametrize("synapse", ["real", "integer(bits=4)", "binary"])
@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_are_close(name: str, synapse: str, randomised: Randomised) -> None:
    """The first neurons are hardly ever wrong, and as a wrong spike makes more of them in every
    layer behind it, the mean over the layers is small where there are few: ``BARS``.
    """
    graph = model(name, synapse, randomised, mean=0.4914)
    x = images(graph.image.node.infer().shape)
    found = quantised(graph, 8, x)
    wrong, real = flips(found, x), graph.run(x)
    off = np.abs(found.integer.step * found.integer.run(x) - real).mean() / real.std()
    of_spikes, of_logits = BARS.get(name, (0.02, 0.25))
    assert max(wrong[:2]) < 2e-3, wrong
    assert np.mean(wrong) < of_spikes, wrong
    assert off < of_logits


@pytest.mark.parametrize("synapse", ["integer(bits=4)", "binary"])
@pytest.mark.parametrize("name", CHAINS)
def test_weights_on_a_grid_are_exact(name: str, synapse: str, randomised: Randomised) -> None:
    graph = model(name, synapse, randomised)
    first = next(v for v in graph if isinstance(v.node, (Conv, Linear)))
    weight = first.node.weight
    step = np.abs(weight).reshape(len(weight), -1).max(1) / 127
    rows = step.reshape(-1, *[1] * (weight.ndim - 1))
    on_grid = replace(first.node, weight=rows * np.rint(weight / rows), grid=step)
    vertices = [replace(v, node=on_grid) if v is first else v for v in graph]
    x = images(graph.image.node.infer().shape, 32)
    found = quantised(Graph(tuple(vertices)), 8, x[:8])
    assert max(flips(found, x)) == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_potentials_at_their_threshold_do_not_fire(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = np.full(6, 0.25)
    weight = 0.25 * rng.integers(-7, 8, (6, 6, 3, 3))
    graph = chain(
        Image((1, 5, 5)),
        Conv(rng.integers(-7, 8, (6, 1, 3, 3)).astype(float), grid=np.ones(6)),
        Fire(rng.integers(-900, 900, 6).astype(float)),
        Conv(weight, padding=(1, 1), grid=grid),
        Fire(0.25 * rng.integers(-4, 4, 6)),
        Flatten(),
        Linear(rng.normal(size=(3, 54))),
    )
    x = images((1, 5, 5))
    found = quantised(graph, 4, x)
    potentials = next(value for v, value in found.real.values(x) if v.name == "3")
    assert np.isin(potentials, found.real["4"].node.threshold).any()
    assert flips(found, x) == [0, 0]


@pytest.mark.parametrize("bits", BITS)
def test_pools_go_behind_neurons(bits: int, randomised: Randomised) -> None:
    graph = model("cnn7", "real", randomised)
    x = images((2, 9, 11))
    moved = fire_before_pools(graph)
    np.testing.assert_array_equal(moved.run(x), graph.run(x))
    assert all(moved.specs[v.name].edge == "spike" for v in moved if isinstance(v.node, MaxPool))
    weights = [
        v.node.weight for v in quantise(graph, bits, x) if isinstance(v.node, (Conv, Linear))
    ]
    hidden = max(int(np.abs(weight).max()) for weight in weights[1:-1])
    assert hidden <= 2 ** (bits - 1) - 1
    assert all(weight.dtype == np.int8 for weight in weights[1:])


def test_pools_that_others_read_stay() -> None:
    pool = MaxPool((2, 2), (1, 1))
    fire = Fire(np.array([0.0, 0.5]))
    graph = Graph(
        (
            Vertex("image", Image((1, 6, 6))),
            Vertex("conv", Conv(np.random.default_rng(0).normal(size=(2, 1, 3, 3))), ("image",)),
            Vertex("pool", pool, ("conv",)),
            Vertex("fire", fire, ("pool",)),
            Vertex("sum", Add(), ("pool", "fire")),
            Vertex("second", pool, ("sum",)),
            Vertex("third", pool, ("second",)),
            Vertex("end", fire, ("third",)),
        )
    )
    moved, x = fire_before_pools(graph), images((1, 6, 6))
    assert [v.name for v in moved][-4:] == ["sum", "second", "end", "third"]
    np.testing.assert_array_equal(moved.run(x), graph.run(x))


def skips() -> Graph:
    """Two sums read one potential, and it has a gain below zero."""
    rng = np.random.default_rng(2)
    gain = np.array([-0.5, 0.0, 1.5])

    def conv(c_in: int) -> Conv:
        return Conv(rng.normal(size=(3, c_in, 3, 3)), padding=(1, 1))

    return Graph(
        (
            Vertex("image", Image((1, 6, 5))),
            Vertex("normalised", Affine(np.array([1 / 255]), np.zeros(1)), ("image",)),
            Vertex("conv", conv(1), ("normalised",)),
            Vertex("pool", MaxPool((2, 2), (1, 1), (1, 1)), ("conv",)),
            Vertex("skip", Affine(gain, gain + 1), ("pool",)),
            Vertex("fire", Fire(np.zeros(3)), ("skip",)),
            Vertex("fire2", Fire(np.ones(3)), ("skip",)),
            Vertex("conv1", conv(3), ("fire",)),
            Vertex("add1", Add(), ("conv1", "skip")),
            Vertex("conv2", conv(3), ("fire2",)),
            Vertex("add2", Add(), ("conv2", "skip")),
            Vertex("add", Add(), ("add1", "add2")),
            Vertex("last", Fire(np.ones(3)), ("add",)),
            Vertex("flat", Flatten(), ("last",)),
            Vertex("out", Linear(rng.normal(size=(4, 126))), ("flat",)),
        )
    )


def test_a_potential_that_several_read() -> None:
    x = images((1, 6, 5))
    found = quantised(skips(), 8, x)
    assert len({v.name for v in found.integer}) == len(found.integer)
    assert max(flips(found, x)) < 0.01


def test_sums_of_spikes_stay_counts() -> None:
    rng = np.random.default_rng(3)
    graph = Graph(
        (
            Vertex("image", Image((1, 6, 5))),
            Vertex("conv", Conv(rng.normal(size=(3, 1, 3, 3)), grid=None), ("image",)),
            Vertex("fire", Fire(np.zeros(3)), ("conv",)),
            Vertex("fire2", Fire(np.full(3, 50.0)), ("conv",)),
            Vertex("add", Add(), ("fire", "fire2")),
            Vertex(
                "conv2", Conv(rng.integers(-3, 4, (4, 3, 2, 2)) * 1.0, grid=np.ones(4)), ("add",)
            ),
            Vertex("fire3", Fire(np.full(4, 0.5)), ("conv2",)),
            Vertex("flat", Flatten(), ("fire3",)),
            Vertex("out", Linear(rng.normal(size=(4, 24))), ("flat",)),
        )
    )
    x = images((1, 6, 5))
    found = quantised(graph, 8, x)
    assert bounds(found.integer)["add"].magnitude == 2
    assert max(flips(found, x)) < 0.005


ONES = Conv(np.ones((1, 1, 2, 2)))
FIRE = Fire(np.array([0.0]))
REFUSED = {
    "potentials": ((ONES, ONES, FIRE), "membrane potentials, in integers.*layer 2"),
    "normalised spikes": (
        (ONES, FIRE, SumPool((2, 2), (2, 2)), Affine(np.ones(1), np.ones(1)), ONES),
        "layer 5",
    ),
    "mean of cut windows": (
        (ONES, FIRE, MeanPool((2, 2), (2, 2), ceil=True), Flatten(), Linear(np.ones((1, 16)))),
        "windows of several sizes.*layer 3",
    ),
    "no neurons": ((ONES, Flatten()), "without neurons.*layer 2"),
    "padding that is no pixel": (
        (Affine(np.ones(1), np.array([9.0])), Conv(np.ones((1, 1, 3, 3)), padding=(1, 1)), FIRE),
        "padding an image.*layer 2",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    nodes, message = REFUSED[what]
    with pytest.raises(UnsupportedError, match=message):
        quantise(chain(Image((1, 8, 8)), *nodes), 8, images((1, 8, 8)))


def test_bits_and_images_are_checked() -> None:
    graph = chain(Image((1, 2, 2)), ONES)
    with pytest.raises(UsageError, match="8, 6, 4 or 2 bits"):
        quantise(graph, 3, images((1, 2, 2)))
    with pytest.raises(UsageError, match="at least one image"):
        quantise(graph, 8, images((1, 2, 2), 0))
    with pytest.raises(UsageError, match="uint8"):
        graph.run(np.zeros((1, 1, 2, 2)))


def test_sums_whose_terms_cancel() -> None:
    """A branch that is nearly constant is larger than the sum that it is in."""
    rng = np.random.default_rng(0)
    graph = Graph(
        (
            Vertex("image", Image((1, 6, 5))),
            Vertex("a", Conv(rng.normal(size=(3, 1, 2, 2))), ("image",)),
            Vertex("fire", Fire(np.zeros(3)), ("a",)),
            Vertex("b", Conv(rng.normal(size=(3, 3, 1, 1))), ("fire",)),
            Vertex("left", Affine(np.full(3, 1e-6), np.full(3, -1.95)), ("b",)),
            Vertex("c", Conv(rng.normal(size=(3, 3, 1, 1))), ("fire",)),
            Vertex("right", Affine(np.full(3, 1e-6), np.full(3, 1.59)), ("c",)),
            Vertex("add", Add(), ("left", "right")),
            Vertex("fire2", Fire(np.full(3, -0.5)), ("add",)),
            Vertex("flat", Flatten(), ("fire2",)),
            Vertex("out", Linear(rng.normal(size=(4, 60))), ("flat",)),
        )
    )
    x = images((1, 6, 5))
    assert max(flips(quantised(graph, 8, x), x)) == 0


# Levels


weights = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=4, max_side=5),
    elements=st.floats(-1e3, 1e3).map(lambda value: round(value, 3)),
)


@given(weights, st.sampled_from(BITS))
@settings(max_examples=50, deadline=None)
def test_the_nearest_levels_lose_no_more_than_the_largest_weight_scaled(
    weight: Array, bits: int
) -> None:
    largest = 2 ** (bits - 1) - 1
    found = nearest(weight, bits)
    rows = weight.reshape(len(weight), -1)
    step = np.abs(rows).max(1) / largest
    step = np.where(step > 0, step, 1)[:, None]
    naive = (rows - step * np.rint(rows / step)) ** 2
    lost = (rows - found.weight.reshape(rows.shape)) ** 2
    assert np.all(lost.sum(1) <= naive.sum(1) * (1 + 1e-9))
    assert found.levels.dtype == np.int8
    assert np.abs(found.levels).max() <= largest
    assert np.all(found.step > 0)


def test_levels_that_were_made_coarser_keep_their_sign() -> None:
    """Where the sum of one row is too large for 16 bits, what was clipped stays clipped."""
    weight = np.random.default_rng(0).normal(size=(64, 2304)) * 0.02
    near = nearest(weight, 8)
    found = fitting(weight, near, INT16)
    assert (found.step > near.step).any()
    assert (found.step == near.step).any()
    for sign in (1, -1):
        assert np.maximum(sign * found.levels.astype(int), 0).sum(1).max() <= INT16
    assert np.abs(found.weight - weight).max() < 2 * np.abs(near.weight - weight).max()


# Bounds and exact arithmetic


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_bounds_hold(seed: int, integer: bool) -> None:
    rng = np.random.default_rng(seed)
    stride, groups, ceil = (int(n) for n in rng.integers(1, 3, 3))
    pool = [MaxPool, SumPool, MeanPool][rng.integers(0, 2 if integer else 3)]

    def values(*shape: int) -> Array:
        found = rng.integers(-9, 10, shape)
        return found if integer else found / 7

    graph = chain(
        Image((2, 7, 6)),
        Affine(values(2), values(2)),
        Conv(values(4, 2 // groups, 3, 2), (stride, 1), (1, 2), groups, fill=values(2)),
        Affine(values(4), values(4)),
        pool((2, 2), (2, 2), (1, 1), ceil == 2),
        Fire(values(4)),
        Affine(values(4), 20 + values(4)),
        SumPool((2, 2), (2, 2), ceil=True),
        Flatten(),
    )
    x = np.concatenate([images((2, 7, 6)), np.full((1, 2, 7, 6), 255, np.uint8)])
    found = bounds(graph)
    for vertex, value in graph.values(x):
        axes = (0, *range(2, value.ndim))
        assert np.all(value.min(axes) >= found[vertex.name].least - 1e-9), vertex.name
        assert np.all(value.max(axes) <= found[vertex.name].largest + 1e-9), vertex.name


@given(arrays.arrays(np.int64, (3, 5), elements=st.integers(-127, 127)))
def test_the_bound_of_a_layer_is_attained(weight: Array) -> None:
    graph = chain(Image((5,)), Linear(weight))
    worst = np.where(weight > 0, 255, 0).astype(np.uint8)
    bound = bounds(graph)["1"]
    np.testing.assert_array_equal(np.diag(graph.run(worst)), bound.largest)
    np.testing.assert_array_equal(np.diag(graph.run(255 - worst)), bound.least)


def test_sums_that_may_overflow_are_refused() -> None:
    fits = Linear(np.full((1, 257), 32767))
    check_int32(chain(Image((257,)), fits))
    product = Affine(np.array([2]), np.array([-INT32]))
    with pytest.raises(UnsupportedError, match=r"may reach 4\.29e\+09, beyond 32 bits.*layer 2"):
        check_int32(chain(Image((257,)), fits, product))
    with pytest.raises(UnsupportedError, match="layer 1"):
        check_int32(chain(Image((258,)), Linear(np.full((1, 258), 32767))))


@given(st.data(), st.sampled_from([np.int8, np.int32, np.int64]))
@settings(max_examples=50, deadline=None)
def test_products_of_integers_are_exact(data: st.DataObject, kind: type[np.signedinteger]) -> None:
    least, largest = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    ends = st.sampled_from([least, largest, least // 3, largest // 3])
    numbers = st.one_of(ends, st.integers(max(least, -1000), min(largest, 1000)))
    rows, inner, columns = (data.draw(st.integers(1, 4)) for _ in range(3))
    a = data.draw(arrays.arrays(kind, (rows, inner), elements=numbers))
    b = data.draw(arrays.arrays(kind, (inner, columns), elements=numbers))
    expected = [
        [sum(int(x) * int(y) for x, y in zip(row, column, strict=True)) for column in b.T]
        for row in a
    ]
    assert matmul(a, b).tolist() == expected
    assert matmul(a > 0, b).tolist() == matmul((a > 0).astype(np.int8), b).tolist()


@pytest.mark.parametrize("bits", [8, 2])
@pytest.mark.parametrize("kernel", [2, 6])
def test_means_of_potentials_are_not_rounded(kernel: int, bits: int) -> None:
    """Of weights that are ternary already, so that no number of bits loses anything."""
    rng = np.random.default_rng(kernel)
    pooled = 9 if kernel == 2 else 1
    graph = chain(
        Image((1, 8, 8)),
        Conv(rng.integers(-7, 8, (6, 1, 3, 3)).astype(float), grid=np.ones(6)),
        Fire(rng.integers(-900, 900, 6).astype(float)),
        Conv(0.1 * rng.integers(-1, 2, (8, 6, 3, 3)), padding=(1, 1)),
        MeanPool((kernel, kernel), (kernel, kernel)),
        Fire(rng.normal(size=8) / 20),
        Flatten(),
        Linear(rng.normal(size=(3, 8 * pooled))),
    )
    x = images((1, 8, 8), 40)
    found = quantised(graph, bits, x)
    assert flips(found, x) == [0, 0]
    assert any(type(v.node) is SumPool for v in found.integer)


@pytest.mark.parametrize("bits", [8, 2])
@pytest.mark.parametrize("biased", [False, True])
def test_ties_are_not_broken_by_rounding(biased: bool, bits: int) -> None:
    """Means over potentials, which thresholds make up for, are not exact."""
    rng = np.random.default_rng(4)
    offset = rng.integers(-2, 3, 16) * float(biased)
    graph = chain(
        Image((1, 8, 8)),
        Conv(rng.normal(size=(8, 1, 3, 3)), grid=None),
        Fire(rng.normal(size=8) * 100),
        Conv(rng.integers(-1, 2, (16, 8, 3, 3)).astype(float), padding=(1, 1)),
        Affine(np.ones(16), offset),
        Fire(np.full(16, 2.0)),
        Flatten(),
        Linear(rng.normal(size=(3, 16 * 36))),
    )
    x = images((1, 8, 8), 39)
    found = quantised(graph, bits, x)
    integer = {v.name: value for v, value in found.integer.values(x)}
    first = integer[found.made["2"]]
    potentials = graph["3"].node.run(first.astype(float)) + offset[:, None, None]
    assert 0.05 < (potentials == 2).mean() < 0.3
    assert (integer[found.made["5"]].astype(bool) == (potentials > 2)).all()
