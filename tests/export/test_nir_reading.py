"""NIR files of other people's making: those of one step are read, others refused in a sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from s3nn.errors import UnsupportedError, UsageError
from s3nn.export import Pixels, _h5, _nir_read
from s3nn.export._nir_file import NirFile
from s3nn.export.nir import DT, INPUT, Nir
from s3nn.graph.ir import Graph
from s3nn.graph.nodes import Add, MaxPool, MeanPool

nir = pytest.importorskip("nir", reason="pip install 's3nn[export]' brings nir")
h5py = pytest.importorskip("h5py")

SHAPE = (1, 6, 6)
RAW = Pixels(raw=True)


def conv(seed: int, outputs: int, inputs: int = 1, padding: Any = (1, 1)) -> Any:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(outputs, inputs, 3, 3)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    return nir.Conv2d((6, 6), weight, (1, 1), padding, (1, 1), 1, bias)


def neuron(kind: str, shape: tuple[int, ...], theta: float = 30.0, **changes: Any) -> Any:
    """A neuron of one memoryless step, but for ``changes``."""
    one = np.ones(shape)
    fields: dict[str, Any] = {"v_threshold": theta * one, "r": one}
    if kind == "Threshold":
        return nir.Threshold(theta * one)
    if kind == "LIF":
        fields |= {"tau": DT * one, "v_leak": 0 * one}
    elif kind == "CubaLIF":
        fields |= {"tau_mem": DT * one, "tau_syn": DT * one, "v_leak": 0 * one, "w_in": one}
    fields |= {key: value * one for key, value in changes.items()}
    return getattr(nir, kind)(**fields)


def chain(*nodes: Any, shape: tuple[int, ...] = SHAPE, outputs: tuple[int, ...] = (2, 6, 6)) -> Any:
    """A graph of ``nodes`` after each other, without NIR's own checks."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["input", *named, "output"]
    ends = {"input": nir.Input(np.array(shape)), "output": nir.Output(np.array(outputs))}
    return nir.NIRGraph(ends | named, [*pairwise(names)], type_check=False)


def read(whole: Any, pixels: Pixels = RAW, dt: float = DT) -> Graph:
    """What a file of ``whole`` would give, without the file."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(inner) for key, inner in value.items()}
        return value if isinstance(value, str) else np.asarray(value)

    tree = plain(whole.to_dict())
    return _nir_read._Walk(NirFile(Path("a.nir"), {"node": tree}), pixels, dt, INPUT).graph()


READ_OUT = nir.Conv2d(
    (6, 6), np.ones((3, 2, 6, 6), np.float32), 1, 0, 1, 1, np.zeros(3, np.float32)
)
IMAGES = np.random.default_rng(0).integers(0, 256, (10, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize(
    ("kind", "changes", "dt"),
    [
        ("Threshold", {}, DT),
        ("IF", {}, DT),
        ("IF", {"r": 1e4}, DT),
        ("IF", {"r": 100}, 0.01),
        ("LIF", {"r": 2.5, "v_leak": 3}, DT),
        ("LIF", {"tau": 0.02}, 0.02),
        ("CubaLIF", {"r": 0.5, "w_in": 3, "v_leak": -7}, DT),
    ],
)
def test_a_neuron_of_one_step(
    kind: str,
    changes: dict[str, float],
    dt: float,
    one_step: Callable[..., dict[str, Any]],
) -> None:
    """What fires is what does after one Euler step by NIR's equations."""
    whole = chain(conv(1, 2), neuron(kind, (2, 6, 6), **changes), READ_OUT, outputs=(3, 1, 1))
    given_step = 1.0 if kind == "IF" and not changes else dt  # r = 1 is what simulators take for it
    expected = one_step(whole, IMAGES, given_step)["n1"].numpy()
    graph = read(whole, dt=dt)
    found = {vertex.name: values for vertex, values in graph.values(IMAGES)}["n1"]
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("IF", {"r": 2}, r"IF neuron with r = 2.*--dt"),
        ("LIF", {"tau": 0.02}, r"tau = 0.02 s, which at steps of 0.0001 s remembers"),
        ("CubaLIF", {"tau_syn": 0.01}, "tau_syn = 0.01 s"),
        ("LIF", {"r": -1}, r"has r \(times w_in\) of -1, not above 0"),
        ("LIF", {"tau": np.arange(72).reshape(2, 6, 6) + 1}, "differs within a channel"),
        ("Threshold", {}, None),
    ],
)
def test_what_remembers_is_refused(kind: str, changes: dict[str, Any], words: str | None) -> None:
    whole = chain(conv(1, 2), neuron(kind, (2, 6, 6), **changes), READ_OUT, outputs=(3, 1, 1))
    if words is None:
        assert len(read(whole)) == 6
        return
    with pytest.raises(UsageError, match=words) as error:
        read(whole)
    assert "\n" not in str(error.value)


def test_edges_that_meet_are_added_and_pools_found() -> None:
    """A residual sum, an OR of spikes behind a sum of them, and a mean of spikes."""
    two = (2, 6, 6)
    nodes = {
        "input": nir.Input(np.array(SHAPE)),
        "a": conv(1, 2),
        "fire": neuron("IF", two),
        "b": conv(2, 2, 2),
        "sum": neuron("Threshold", two, 1.5),
        "pool": nir.SumPool2d(np.array((2, 2)), np.array((2, 2)), np.array((0, 0))),
        "or": neuron("IF", (2, 3, 3), 0.5),
        "mean": nir.AvgPool2d(np.array((3, 3)), np.array((3, 3)), np.array((0, 0))),
        "flat": nir.Flatten({"input": np.array((2, 1, 1))}, 0, -1),
        "out": nir.Affine(np.eye(2), np.array([0.0, 1.0])),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "a"), ("a", "fire"), ("fire", "b"), ("b", "sum"), ("fire", "sum")]
    edges += [("sum", "pool"), ("pool", "or"), ("or", "mean"), ("mean", "flat")]
    edges += [("flat", "out"), ("out", "output")]
    graph = read(nir.NIRGraph(nodes, edges, type_check=False))
    kinds = [type(vertex.node) for vertex in graph]
    assert [kinds.count(kind) for kind in (Add, MaxPool, MeanPool)] == [1, 1, 1]
    x = torch.from_numpy(IMAGES).double()

    def layer(node: Any, given: torch.Tensor) -> torch.Tensor:
        pair = torch.from_numpy(node.weight).double(), torch.from_numpy(node.bias).double()
        return nn.functional.conv2d(given, *pair, padding=1)

    spikes = (layer(nodes["a"], x) > 30).double()
    summed = (layer(nodes["b"], spikes) + spikes > 1.5).double()
    means = nn.functional.max_pool2d(summed, 2).mean((2, 3))
    assert 0 < means.mean() < 1
    expected = means.numpy() + np.array([0.0, 1.0])
    np.testing.assert_allclose(graph.run(IMAGES), expected)


def test_a_sum_of_spikes_that_a_layer_reads() -> None:
    """It is a mean and larger weights, which the rest of the library knows."""
    pool = nir.SumPool2d(np.array((2, 2)), np.array((2, 2)), np.array((0, 0)))
    weight = np.arange(18, dtype=np.float32).reshape(1, 2, 3, 3)
    out = nir.Conv2d((3, 3), weight, 1, 0, 1, 1, np.zeros(1, np.float32))
    whole = chain(conv(1, 2), neuron("IF", (2, 6, 6)), pool, out, outputs=(1, 1, 1))
    graph = read(whole)
    assert any(type(vertex.node) is MeanPool for vertex in graph)
    spikes = {vertex.name: values for vertex, values in graph.values(IMAGES)}["n1"].astype(float)
    sums = spikes.reshape(10, 2, 3, 2, 3, 2).sum((3, 5)).reshape(10, 18)
    np.testing.assert_allclose(graph.run(IMAGES)[:, 0], sums @ np.arange(18), rtol=1e-12)


def test_pixels_are_normalised_as_they_are_said_to_be() -> None:
    out = nir.Conv2d((6, 6), np.ones((3, 1, 6, 6), np.float32), 1, 0, 1, 1, np.zeros(3, np.float32))
    whole = chain(out, outputs=(3, 1, 1))
    total = IMAGES.astype(float).sum((1, 2, 3))
    np.testing.assert_allclose(read(whole).run(IMAGES)[:, 0], total)
    found = read(whole, Pixels(mean=(0.5,), std=(0.25,))).run(IMAGES)[:, 1]
    np.testing.assert_allclose(found, (total / 255 - 36 * 0.5) / 0.25)
    for mean, std in (((0.1, 0.2), (1.0,)), ((0.1,), (0.0,))):
        with pytest.raises(UsageError, match="mean and std"):
            read(whole, Pixels(mean=mean, std=std))
    with pytest.raises(UsageError, match=r"takes \(1, 6, 6\), but the images are \(1, 28, 28\)"):
        read(whole, Pixels(shape=(1, 28, 28)))


def test_a_file_of_snntorch(tmp_path: Path) -> None:
    """Leaky without a memory, in a convolutional network, and Synaptic in a flat one."""
    snn = pytest.importorskip("snntorch", reason="pip install 's3nn[interop]' brings snnTorch")
    pytest.importorskip("nirtorch", reason="snnTorch reads and writes NIR with it")
    from snntorch.export_nir import export_to_nir
    from snntorch.utils import reset

    def leaky(shape: tuple[int, ...], theta: float) -> nn.Module:
        return snn.Leaky(torch.zeros(shape), torch.full(shape, theta), init_hidden=True)

    def synaptic(size: int, theta: float) -> nn.Module:
        zeros = torch.zeros(size)
        return snn.Synaptic(zeros, zeros, torch.full((size,), theta), init_hidden=True)

    networks = [
        nn.Sequential(
            *(nn.Conv2d(1, 6, 3, padding=1), leaky((6, 6, 6), 0.2)),
            *(nn.Conv2d(6, 8, 3, stride=2), leaky((8, 2, 2), 0.1)),
            *(nn.Flatten(), nn.Linear(32, 10), leaky((10,), 0.1)),
        ),
        nn.Sequential(nn.Flatten(), nn.Linear(36, 30), synaptic(30, 0.2), nn.Linear(30, 10)),
    ]
    x = torch.from_numpy(IMAGES) / 255
    for network in networks:
        whole = export_to_nir(network, x[:1], ignore_dims=[0])
        reset(network)
        with torch.no_grad():
            expected = network(x).numpy()
        nir.write(tmp_path / "net.nir", whole)
        found = Nir.read(tmp_path / "net.nir").run(IMAGES)
        assert np.abs(expected).mean() > 0
        np.testing.assert_allclose(found, expected, atol=1e-6)


# What is damaged.


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small file of ours, and the tree that is read from it."""
    from s3nn.graph.ir import Vertex
    from s3nn.graph.nodes import Affine, Conv, Fire, Flatten, Image, Linear

    rng = np.random.default_rng(2)
    vertices = (
        Vertex("image", Image(SHAPE)),
        Vertex("conv", Conv(rng.normal(size=(2, 1, 3, 3)), padding=(1, 1)), ("image",)),
        Vertex("bias", Affine(np.ones(2), rng.normal(size=2)), ("conv",)),
        Vertex("fire", Fire(np.array([1.0, 2.0])), ("bias",)),
        Vertex("pool", MaxPool((2, 2), (2, 2)), ("fire",)),
        Vertex("flat", Flatten(), ("pool",)),
        Vertex("out", Linear(rng.normal(size=(3, 18))), ("flat",)),
    )
    path = tmp_path_factory.mktemp("nir") / "good.nir"
    Nir("cuba").write(Graph(vertices), path)
    return path, dict(_h5.read_tree(path))


def parse(tree: dict[str, Any]) -> Graph:
    reader = _nir_read._Walk(NirFile(Path("a.nir"), tree), Pixels(), DT, INPUT)
    return reader.graph()


def one_sentence(error: UsageError) -> None:
    said = str(error)
    assert "\n" not in said
    assert len(said) < 500
    assert "a.nir" in said or "good.nir" in said or "net.nir" in said


def node(tree: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(n for n in tree["node"]["nodes"].values() if n["type"] == kind)


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no graph": (lambda t: t.pop("node"), "no NIRGraph"),
    "no nodes": (lambda t: t["node"].update(nodes={}), "no nodes"),
    "no type": (lambda t: node(t, "Conv2d").pop("type"), "its type"),
    "no edges": (lambda t: t["node"].pop("edges"), "no list of pairs"),
    "flat edges": (lambda t: t["node"].update(edges=t["node"]["edges"].ravel()), "list of pairs"),
    "edge to nowhere": (lambda t: _edge(t, "fire", "nowhere"), "'nowhere', which is no node"),
    "edge twice": (lambda t: _edge(t, *t["node"]["edges"][0]), "twice"),
    "cycle": (lambda t: _edge(t, "pool", "conv_synapse"), "a cycle"),
    "output read": (lambda t: _edge(t, "output", "conv_synapse"), "a cycle"),
    "no input": (lambda t: node(t, "Input").update(type="Conv2d"), "0 nodes of the type Input"),
    "two outputs": (lambda t: node(t, "SumPool2d").update(type="Output"), "2 nodes of the type"),
    "cut": (lambda t: t["node"].update(edges=t["node"]["edges"][1:]), "reads nothing|no way"),
    "a kind": (
        lambda t: node(t, "SumPool2d").update(type="Delay"),
        "type 'Delay' is not supported",
    ),
    "nested": (lambda t: node(t, "CubaLIF").update(type="NIRGraph"), "type 'NIRGraph'"),
    "no weight": (lambda t: node(t, "Conv2d").pop("weight"), "no numbers called 'weight'"),
    "text weight": (lambda t: node(t, "Conv2d").update(weight="x"), "no numbers called 'weight'"),
    "axes": (lambda t: node(t, "Conv2d").update(weight=np.ones((2, 9))), "not of 4 axes"),
    "nan": (lambda t: node(t, "Conv2d").update(bias=np.full(2, np.nan)), "not finite"),
    "biases": (lambda t: node(t, "Conv2d").update(bias=np.ones(7)), "7 biases for 2"),
    "groups": (lambda t: node(t, "Conv2d").update(groups=np.array(5)), "in 5 groups"),
    "dilated": (lambda t: node(t, "Conv2d").update(dilation=np.array([2, 2])), "dilated"),
    "stride": (lambda t: node(t, "Conv2d").update(stride=np.array([0, 1])), "from 1 on"),
    "half": (lambda t: node(t, "Conv2d").update(stride=np.array([0.5])), "no whole numbers"),
    "pads": (lambda t: node(t, "Conv2d").update(padding=np.array([9000, 1])), "pads by"),
    "large": (lambda t: node(t, "Conv2d").update(padding=np.array([2**40, 1])), "more than 16384"),
    "pool": (lambda t: node(t, "SumPool2d").update(kernel_size=np.array([9, 9])), "pools windows"),
    "pool pads": (lambda t: node(t, "SumPool2d").update(padding=np.array([1, 1])), "with padding"),
    "image": (lambda t: node(t, "Input").update(shape=np.array([0, 6, 6])), "has the shape"),
    "huge image": (lambda t: node(t, "Input").update(shape=np.array([9999] * 3)), "has the shape"),
    "theta": (lambda t: node(t, "CubaLIF").update(v_threshold=np.ones((3, 3))), "'v_threshold' of"),
    "no tau": (lambda t: node(t, "CubaLIF").pop("tau_mem"), "no numbers called 'tau_mem'"),
}


def _edge(tree: dict[str, Any], source: str, target: str) -> None:
    tree["node"]["edges"] = np.concatenate([tree["node"]["edges"], [[source, target]]])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_gets_a_sentence(good: tuple[Path, dict[str, Any]], fault: str) -> None:
    change, words = FAULTS[fault]
    tree = copy.deepcopy(good[1])
    assert len(parse(tree)) > 5
    change(tree)
    with pytest.raises(UsageError, match=words) as error:
        parse(tree)
    one_sentence(error.value)


ODD = st.one_of(
    st.integers(-(2**62), 2**62),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-3, 10**6), max_size=5),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_change_is_read_or_refused(
    good: tuple[Path, dict[str, Any]], data: st.DataObject
) -> None:
    """Whatever a file says: either a graph that runs, or one sentence."""
    tree = copy.deepcopy(good[1])
    for _ in range(data.draw(st.integers(1, 3))):
        nodes = tree["node"]["nodes"]
        where = data.draw(st.sampled_from([tree["node"], *nodes.values()]))
        if not isinstance(where, dict) or not where:
            continue
        key = data.draw(st.sampled_from(sorted(where)))
        change = data.draw(st.sampled_from(["drop", "odd", "shape", "swap", "edges"]))
        if change == "drop":
            del where[key]
        elif change == "odd":
            value = data.draw(ODD)
            where[key] = value if isinstance(value, str) else np.asarray(value)
        elif change == "shape" and isinstance(where[key], np.ndarray):
            where[key] = np.resize(where[key], data.draw(st.lists(st.integers(0, 4), max_size=5)))
        elif change == "swap":
            where[key] = data.draw(st.sampled_from([*nodes.values()]))
        elif change == "edges":
            names = st.sampled_from(sorted(nodes))
            pairs = data.draw(st.lists(st.tuples(names, names), max_size=12))
            tree["node"]["edges"] = np.array(pairs, str)
        if not isinstance(tree["node"].get("nodes"), dict):
            break
    try:
        graph = parse(tree)
    except UsageError as error:
        one_sentence(error)
        return
    shape = graph.specs["image"].shape
    if np.prod(shape) < 10**4:
        assert len(graph.run(np.zeros((2, *shape), np.uint8))) == 2


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_file_is_read_or_refused(
    good: tuple[Path, dict[str, Any]], seed: int, tmp_path: Path
) -> None:
    """Cut off, or with bits turned round: the process that reads it may die, we do not."""
    content = bytearray(good[0].read_bytes())
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        content = content[: rng.integers(0, len(content))]
    else:
        for place in rng.integers(0, len(content) if seed % 2 else 2000, 1 + 8 * (seed % 3)):
            content[place] ^= 1 << rng.integers(0, 8)
    path = tmp_path / "net.nir"
    path.write_bytes(bytes(content))
    try:
        Nir.read(path)
    except UsageError as error:
        one_sentence(error)


def test_what_a_file_must_not_do(tmp_path: Path) -> None:
    """Lead to other files, be of another kind, or be larger than is asked for."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(80))

    def external(file: Any) -> None:
        file.create_dataset("x", (10,), "f8", external=[(str(secret), 0, 80)])

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
        file.create_virtual_dataset("x", layout)

    def deep(file: Any) -> None:
        file.create_group("/".join("abcdefghijk"))

    def cyclic(file: Any) -> None:
        file.create_group("a")["b"] = file["/"]

    def linked(file: Any) -> None:
        file["x"] = h5py.ExternalLink(str(secret), "/")

    def bomb(file: Any) -> None:
        file.create_dataset("x", (2**40,), "u1", chunks=(2**20,), compression="gzip")

    def other(file: Any) -> None:
        file.create_dataset("x", data=np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]))

    cases = {external: "another file", virtual: "another file", deep: "deep", cyclic: "deep"}
    cases |= {linked: "a link to somewhere else", bomb: "too large", other: "neither numbers"}
    for make, words in cases.items():
        with h5py.File(tmp_path / "net.nir", "w") as file:
            make(file)
        with pytest.raises(UsageError, match=words) as error:
            _h5.read_tree(tmp_path / "net.nir")
        one_sentence(error.value)
    with pytest.raises(UsageError, match="is no file"):
        Nir.read(tmp_path / "nothing.nir")


def test_a_reader_that_dies_or_stalls_is_an_error(
    good: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    monkeypatch.setattr(_h5._h5_child, "__file__", str(child))
    child.write_text("import os; os.abort()")
    with pytest.raises(UsageError, match=r"good\.nir.*ended the process"):
        Nir.read(good[0])
    child.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(_h5, "TIMEOUT_S", 0.3)
    with pytest.raises(UsageError, match=r"more than 0\.3 s"):
        Nir.read(good[0])


def test_refusals_are_of_two_kinds(good: tuple[Path, dict[str, Any]]) -> None:
    tree = copy.deepcopy(good[1])
    FAULTS["dilated"][0](tree)
    with pytest.raises(UnsupportedError):
        parse(tree)


@pytest.mark.parametrize("pool", ["SumPool2d", "AvgPool2d"])
def test_a_pool_of_one_pixel_behind_a_layer_of_one(pool: str) -> None:
    weight = np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(np.float32)
    layer = nir.Conv2d((6, 6), weight, 1, 0, 1, 1, np.ones(2, np.float32))
    one = getattr(nir, pool)(np.array((1, 1)), np.array((1, 1)), np.array((0, 0)))
    fires = neuron("Threshold", (2, 1, 1), 1.0)
    with_pool, without = (
        read(chain(layer, fires, *pools, outputs=(2, 1, 1))) for pools in ([one], [])
    )
    expected = without.run(IMAGES)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(with_pool.run(IMAGES), expected)


@pytest.mark.parametrize(
    ("kernel", "stride", "pad"), [(3, 1, 1), (5, 2, 2), (2, 2, 1), (3, 4, 2), (3, 1, 2), (1, 1, 1)]
)
def test_a_convolution_that_pads_behind_a_layer_of_one_pixel(
    kernel: int, stride: int, pad: int
) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(2, i, k, k)).astype(np.float32) for i, k in ((1, 6), (2, kernel))]
    biases = np.zeros(2, np.float32)
    layer = nir.Conv2d((6, 6), weights[0], 1, 0, 1, 1, biases)
    padded = nir.Conv2d((1, 1), weights[1], stride, pad, 1, 1, biases)
    whole = chain(layer, neuron("Threshold", (2, 1, 1), 1.0), padded, outputs=(2, 1, 1))
    spikes = read(chain(layer, neuron("Threshold", (2, 1, 1), 1.0), outputs=(2, 1, 1))).run(IMAGES)
    expected = nn.functional.conv2d(
        torch.from_numpy(spikes).double()[:, :, None, None],
        torch.from_numpy(weights[1]).double(),
        stride=stride,
        padding=pad,
    )
    if expected.shape[2:] == (1, 1):
        np.testing.assert_allclose(read(whole).run(IMAGES), expected[:, :, 0, 0], rtol=1e-6)
    else:
        with pytest.raises(UsageError, match="does not fit what it reads"):
            read(whole)
