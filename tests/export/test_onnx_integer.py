"""The integer network in ONNX gives the integers of the graph, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from s3nn.errors import UnsupportedError
from s3nn.export import make_exporter
from s3nn.graph.ir import Graph, Node, Vertex
from s3nn.graph.lower import lower
from s3nn.graph.nodes import (
    Conv,
    Fire,
    Flatten,
    Image,
    Linear,
    MaxPool,
    RoundedMeanPool,
    SumPool,
)
from s3nn.graph.quantise import quantised
from s3nn.registry import MODELS

onnx = pytest.importorskip("onnx", reason="pip install 's3nn[export]' brings onnx")
ort = pytest.importorskip("onnxruntime", reason="pip install 's3nn[export]' brings onnxruntime")
Array = np.ndarray[Any, Any]


def runs(path: Path) -> Callable[[Array], Array]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["logits"], {"image": images})[0]


@pytest.mark.parametrize("model", ["cnn7", "resnet18", "imagenet_resnet18"])
def test_every_kind_of_network_is_exact(
    model: str, randomised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    """Channels of unlike zero pixels around the image, residual sums, pools of potentials."""
    shape = (3, 32, 32) if model.startswith("imagenet") else (3, 8, 8)
    network = randomised(MODELS.get(model)(shape, 5, width=0.05))
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    graph = quantised(lower(network, shape, (0.5, 0.1, 0.0), (0.2, 0.3, 0.4)), 8, images).integer
    written = make_exporter("onnx_integer").write(graph, tmp_path / "net.onnx")
    run, expected = runs(written.path), graph.run(images)
    assert np.ptp(expected) > 0
    found = run(images)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(run(images[:1]), expected[:1])  # a batch of any size


def chain(shape: tuple[int, ...], *nodes: Node) -> Graph:
    vertices = [Vertex("image", Image(shape))]
    for number, node in enumerate(nodes):
        vertices.append(Vertex(f"n{number}", node, (vertices[-1].name,)))
    return Graph(tuple(vertices))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_layers_of_any_form_are_exact(tmp_path: Path, data: st.DataObject) -> None:
    """Kernels, strides, paddings and groups; 16-bit weights at their ends, and pixels around."""
    groups = data.draw(st.sampled_from([1, 1, 2]))
    kernel = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    stride = (data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2)))
    padding = (data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2)))
    largest = data.draw(st.sampled_from([1, 127, 2047, 32767]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weight = rng.integers(-largest, largest, (4, 2 // groups, *kernel), endpoint=True)
    weight.flat[:2] = largest, -largest
    fill = rng.integers(0, 256, 2) if any(padding) else None
    first = Conv(weight.astype(np.int16), stride, padding, groups, fill)
    bars = rng.integers(-largest * 200, largest * 200, 4)
    window = ((2, 2), (2, 1), (1, 0), data.draw(st.booleans()))
    pool = data.draw(
        st.sampled_from([MaxPool(*window), SumPool(*window), RoundedMeanPool(*window)])
    )
    nodes: list[Node] = [first, Fire(bars), pool]
    if data.draw(st.booleans()):
        nodes = [first, pool, Fire(bars), MaxPool((2, 2), (1, 1), (1, 1))]
    graph = chain((2, 6, 5), *nodes, Flatten())
    features = graph.specs[graph.output.name].channels
    graph = chain(
        (2, 6, 5), *nodes, Flatten(), Linear(rng.integers(-127, 128, (3, features)).astype(np.int8))
    )
    images = rng.integers(0, 256, (3, 2, 6, 5), dtype=np.uint8)
    path = make_exporter("onnx_integer").write(graph, tmp_path / "net.onnx").path
    np.testing.assert_array_equal(runs(path)(images), graph.run(images))


def test_what_it_is_made_of(tmp_path: Path) -> None:
    weight = np.array([[[[300]]], [[[-5]]]], np.int16)
    graph = chain(
        (1, 4, 4), Conv(weight), Fire(np.array([7, -9])), MaxPool((2, 2), (2, 2)), Flatten()
    )
    path = make_exporter("onnx_integer").write(graph, tmp_path / "net.onnx").path
    model = onnx.load(str(path))
    assert [entry.version for entry in model.opset_import] == [18]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("ConvInteger") == 2  # nine bits are two times eight
    assert {"Greater", "MaxPool"} <= {*kinds}
    used = {name for node in model.graph.node for name in node.input}
    assert {constant.name for constant in model.graph.initializer} <= used
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    assert not [c.name for c in model.graph.initializer if c.data_type in floats]


def test_what_it_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    wide = np.ones((2, 1, 1, 1), np.int8)
    nodes = (Conv(wide), Fire(np.array([1, 1])), SumPool((17, 17), (17, 17)), Flatten())
    counts = chain((1, 17, 17), *nodes, Linear(np.ones((3, 2), np.int8)))
    real = chain((1, 2, 2), Conv(np.ones((1, 1, 1, 1))), Fire(np.array([0.5])))
    for graph, words in ((counts, "counts up to 289"), (real, "real numbers in integer ONNX")):
        with pytest.raises(UnsupportedError, match=words):
            make_exporter("onnx_integer").write(graph, path)
    assert not [*tmp_path.iterdir()]
