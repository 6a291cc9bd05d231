"""NIR files hold what the graph computes, whoever reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from s3nn.errors import UnsupportedError, UsageError
from s3nn.export import make_exporter
from s3nn.export.base import ties
from s3nn.export.nir import Nir
from s3nn.graph.ir import Graph, Vertex
from s3nn.graph.lower import lower
from s3nn.graph.nodes import Affine, Conv, Fire, Image, Linear
from s3nn.graph.quantise import quantised
from s3nn.graph.rewrite import fire_before_pools
from s3nn.models import Resnet18
from s3nn.neurons import make_neuron

nir = pytest.importorskip("nir", reason="pip install 's3nn[export]' brings nir")
NETWORKS = ("cnn7", "mlp", "grouped")  # see conftest.py
DIALECTS = ("threshold", "cuba", "if")
Pixels = np.ndarray[Any, Any]
Simulate = Callable[..., dict[str, Any]]


def held(graph: Graph, pixels: Pixels) -> dict[str, Pixels]:
    return {vertex.name: values for vertex, values in graph.values(pixels)}


@pytest.mark.parametrize(
    ("name", "dialect"),
    [*(("cnn7", dialect) for dialect in DIALECTS), ("mlp", "cuba"), ("grouped", "if")],
)
def test_real_numbers_arrive(
    name: str,
    dialect: str,
    graphs: dict[str, Graph],
    pixels: Pixels,
    one_step: Simulate,
    tmp_path: Path,
) -> None:
    """By NIR's equations in float64 and by our own reader: spikes, and logits to rounding."""
    graph = fire_before_pools(graphs[name])
    written = Nir(dialect).write(graph, tmp_path / "net.nir")
    values, ours = one_step(nir.read(written.path), pixels), held(graph, pixels)
    back = Nir.read(written.path)
    again = held(back, pixels)
    assert len(written.spiking) >= 2
    for vertex, node in written.spiking.items():
        spikes = ours[vertex]
        assert 0 < spikes.mean() < 1
        np.testing.assert_array_equal(values[node].numpy().reshape(spikes.shape), spikes)
        np.testing.assert_array_equal(again[node].reshape(spikes.shape), spikes)
    logits = graph.run(pixels)
    np.testing.assert_allclose(
        values["output"].numpy().reshape(logits.shape), logits, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(back.run(pixels), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_arrive_exactly_and_without_ties(
    name: str, graphs: dict[str, Graph], pixels: Pixels, one_step: Simulate, tmp_path: Path
) -> None:
    graph = quantised(graphs[name], 8, pixels, 2**22).integer
    written = Nir("cuba").write(graph, tmp_path / "net.nir")
    file, ours = nir.read(written.path), held(graph, pixels)
    values = one_step(file, pixels)
    assert {k for k, v in file.nodes.items() if isinstance(v, nir.CubaLIF)} == {
        *written.spiking.values()
    }
    for vertex, node in written.spiking.items():
        np.testing.assert_array_equal(
            values[node].numpy().reshape(ours[vertex].shape), ours[vertex]
        )
        # A simulator may round a potential by less than a half and fire the same.
        assert values[f"{node}/u"].abs().min() > 0.49
    for node in file.nodes.values():
        if isinstance(node, nir.Conv2d) and node is not file.nodes[_logits(file)]:
            np.testing.assert_array_equal(node.weight, np.rint(node.weight))
            assert np.abs(node.weight).max() < 2**24
    logits = graph.run(pixels) * graph.step
    found = values["output"].numpy().reshape(logits.shape)
    np.testing.assert_allclose(found, logits, atol=2e-6 * np.abs(logits).max())


def _logits(file: Any) -> str:
    (name,) = [a for a, b in file.edges if b == "output"]
    return str(name)


def test_thresholds_are_uniform_and_offsets_in_the_bias(
    graphs: dict[str, Graph], tmp_path: Path
) -> None:
    file = nir.read(Nir("if").write(graphs["cnn7"], tmp_path / "net.nir").path)
    thetas = {
        float(v)
        for n in file.nodes.values()
        if isinstance(n, nir.IF)
        for v in np.unique(n.v_threshold)
    }
    assert thetas == {1.0, 0.5}  # neurons, and ORs of their spikes
    assert not [n for n in file.nodes.values() if isinstance(n, (nir.Flatten, nir.AvgPool2d))]
    assert tuple(file.nodes["output"].output_type["output"]) == (5, 1, 1)


def test_a_constant_channel_is_far_from_its_threshold(one_step: Simulate, tmp_path: Path) -> None:
    """Of weights of zero: one equals the threshold, which is silence, one is above."""
    shape = (1, 2, 2)
    graph = Graph(
        (
            Vertex("image", Image(shape)),
            Vertex("conv", Conv(np.zeros((2, 1, 2, 2))), ("image",)),
            Vertex("bias", Affine(np.ones(2), np.array([0.7, 0.8])), ("conv",)),
            Vertex("fire", Fire(np.array([0.7, 0.7])), ("bias",)),
        )
    )
    written = Nir("if").write(graph, tmp_path / "net.nir")
    values = one_step(nir.read(written.path), np.ones((1, *shape), np.uint8))
    assert values["fire"].flatten().tolist() == [0, 1]
    assert values["fire/u"].abs().min() > 0.5


def test_ties_are_counted() -> None:
    shape = (1, 1, 3)
    fire = Vertex("fire", Fire(np.array([7])), ("image",))
    graph = Graph((Vertex("image", Image(shape)), fire))
    images = np.array([[[[6, 7, 8]]], [[[7, 7, 0]]]], np.uint8)
    assert ties(graph, images) == {"fire": 3}


def test_what_a_file_cannot_carry(
    randomised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    path = tmp_path / "net.nir"
    path.write_text("as it was")
    residual = lower(randomised(Resnet18((1, 8, 8), 5, width=0.05)), (1, 8, 8))
    padded = lower(
        nn.Sequential(
            *(nn.Conv2d(1, 2, 3, padding=1), make_neuron("fire", 2), nn.MaxPool2d(3, 2, padding=1)),
            *(nn.Flatten(), nn.Linear(32, 3)),
        ).eval(),
        (1, 8, 8),
    )
    analog = lower(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten()).eval(), (1, 8, 8)
    )
    tall = lower(nn.Sequential(nn.Conv2d(1, 2, (3, 1))).eval(), (1, 8, 8))
    wide = lower(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).eval(), (1, 8, 6))
    for graph, words in (
        (tall, "a kernel that is not square.*1 channels of 8 x 8"),
        (wide, "reads an image that is not, in NIR.*1 channels of 8 x 6"),
        (residual, "residual network.*ONNX"),
        (padded, "hang over the border.*padding=0"),
        (analog, "membrane potentials are read by a convolution.*neurons behind it"),
    ):
        with pytest.raises(UnsupportedError, match=words):
            Nir("if").write(graph, path)
        assert path.read_text() == "as it was"
        assert [*tmp_path.iterdir()] == [path]


def test_a_mean_at_the_end_is_a_mean(tmp_path: Path) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), make_neuron("fire", 4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    network[1].threshold.value().fill_(0.1)
    graph = lower(network.eval(), (1, 8, 8))
    Nir().write(graph, tmp_path / "net.nir")
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)
    expected = graph.run(images)
    assert 0 < expected.max() <= 1
    np.testing.assert_allclose(Nir.read(tmp_path / "net.nir").run(images), expected, atol=1e-6)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_pool_of_single_pixels_is_no_node(
    dialect: str, pool: type[nn.Module], tmp_path: Path
) -> None:
    def behind(kernel: int) -> Graph:
        inner = [nn.Conv2d(1, 4, kernel), make_neuron("fire", 4), pool(9 - kernel), nn.Flatten()]
        inner[1].threshold.value().fill_(0.1)
        network = nn.Sequential(*inner, nn.Linear(4 * (9 - kernel) ** 2, 3))
        return lower(network.eval(), (1, 8, 8))

    images = np.random.default_rng(0).integers(0, 256, (9, 1, 8, 8), dtype=np.uint8)
    for graph in map(behind, (8, 6)):
        written = Nir(dialect).write(graph, tmp_path / "net.nir")
        kinds = {type(node).__name__ for node in nir.read(written.path).nodes.values()}
        assert "SumPool2d" not in kinds
        back = Nir.read(written.path).run(images)
        np.testing.assert_allclose(back, graph.run(images), atol=1e-5)


def test_integer_sums_beyond_a_float_are_refused(tmp_path: Path) -> None:
    weight = np.full((1, 64), 2000, np.int16)
    graph = Graph(
        (
            Vertex("image", Image((64,))),
            Vertex("sum", Linear(weight), ("image",)),
            Vertex("fire", Fire(np.array([5])), ("sum",)),
        )
    )
    with pytest.raises(UnsupportedError, match=r"3\.26e\+07, beyond what float32 holds exactly"):
        Nir().write(graph, tmp_path / "net.nir")


def test_a_wrong_dialect_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean 'cuba'"):
        make_exporter("nir", dialect="cube")
