"""Files in the real simulators and runtimes, where these are installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from s3nn.experiment import simulator
from s3nn.export import Pixels, make_exporter
from s3nn.export.nir import Nir
from s3nn.graph.lower import lower
from s3nn.graph.quantise import quantised
from s3nn.graph.rewrite import fire_before_pools
from s3nn.models import Cnn7
from s3nn.neurons import make_neuron

SHAPE = (1, 8, 8)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, *SHAPE), dtype=np.uint8)
PAIRS = [("norse", "cuba"), ("norse", "if"), ("snntorch", "cuba"), ("spikingjelly", "cuba")]
PAIRS += [("spikingjelly", "if"), ("sinabs", "if")]
MISSING = "docs/export.md says how to install it"


def _module(name: str) -> Any:
    try:
        return pytest.importorskip(name, reason=MISSING)
    except Exception as error:  # a library beside a wrong torchvision raises anything
        pytest.skip(f"{name}: {error}; {MISSING}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("tool", "dialect"), PAIRS)
def test_a_simulator_is_exact(
    tool: str, dialect: str, randomised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    for package in ("nir", "nirtorch", tool):
        _module(package)
    torch.manual_seed(1)
    network = randomised(Cnn7(SHAPE, 5, width=0.08))
    graph = quantised(lower(network, SHAPE, (0.3,), (0.4,)), 8, IMAGES, 2**22).integer
    written = Nir(dialect).write(graph, tmp_path / "net.nir")
    found = simulator.simulate(tool, str(written.path), IMAGES, [*written.spiking.values()])
    for vertex, values in graph.values(IMAGES):
        if vertex.name in written.spiking:
            packed = np.packbits(values.reshape(len(IMAGES), -1) > 0, axis=1)
            held = found[f"spikes/{written.spiking[vertex.name]}"]
            np.testing.assert_array_equal(held, packed, err_msg=vertex.name)
    assert found["largest"] <= 1
    logits = graph.run(IMAGES) * graph.step
    np.testing.assert_allclose(found["logits"], logits, atol=1e-5 * np.abs(logits).max())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("neuron", ["box", "iaf", "lif"])
def test_a_file_of_norse(neuron: str, tmp_path: Path) -> None:
    """What norse writes for networks of one step; it writes dt / tau_inv where NIR has tau."""
    nir, norse = _module("nir"), _module("norse.torch")
    _module("nirtorch")
    from norse.torch.module.iaf import IAFCell, IAFParameters
    from norse.torch.module.lif import LIFCell, LIFParameters
    from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters

    def cell(size: int, theta: float) -> nn.Module:
        bar, zero, fast = (torch.full((size,), v) for v in (theta, 0.0, 1e4))
        if neuron == "iaf":
            return IAFCell(IAFParameters(v_th=bar), dt=1e-4)
        if neuron == "box":
            parameters = LIFBoxParameters(tau_mem_inv=fast, v_th=bar, v_leak=zero)
            return LIFBoxCell(parameters, dt=1e-4)
        both = {"tau_syn_inv": fast, "tau_mem_inv": fast, "v_leak": zero, "v_reset": zero}
        return LIFCell(LIFParameters(v_th=bar, **both), dt=1e-4)

    torch.manual_seed(0)
    layers = nn.Linear(64, 30), cell(30, 0.2), nn.Linear(30, 10), cell(10, 0.1)
    network = norse.SequentialState(*layers)
    x = torch.from_numpy(IMAGES).flatten(1) / 255
    nir.write(tmp_path / "net.nir", norse.to_nir(network, x[:1], dt=1.0))
    graph = Nir.read(tmp_path / "net.nir", Pixels(shape=SHAPE))
    with torch.no_grad():
        expected = network(x)[0].numpy()
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(graph.run(IMAGES), expected)


@pytest.mark.filterwarnings("ignore")
def test_real_numbers_in_runtimes(
    randomised: Callable[[nn.Module], nn.Module], tmp_path: Path
) -> None:
    """By torch's exporter, with a batch of any size; OpenVINO reads the same file."""
    onnx = _module("onnx")
    _module("onnxscript")
    torch.manual_seed(1)
    network = randomised(Cnn7(SHAPE, 5, width=0.05))
    graph = fire_before_pools(lower(network, SHAPE, (0.3,), (0.4,)))
    path = make_exporter("onnx").write(graph, tmp_path / "net.onnx").path
    model = onnx.load(str(path))
    assert {e.domain: e.version for e in model.opset_import}[""] == 18
    kinds = {node.op_type for node in model.graph.node}
    assert {"Conv", "Greater", "Cast", "MaxPool"} <= kinds
    assert "BatchNormalization" not in kinds
    expected = graph.run(IMAGES)
    assert np.ptp(expected) > 0
    for engine, run in simulator.ENGINES.items():
        _module(engine)
        for images in (IMAGES, IMAGES[:1]):
            found = run(str(path), images)["logits"]
            bar = 1e-5 * np.abs(expected).max()
            np.testing.assert_allclose(found, expected[: len(images)], atol=bar, err_msg=engine)


@pytest.mark.filterwarnings("ignore")
def test_pools_that_hang_over(tmp_path: Path) -> None:
    """Padded max-pools of potentials, and mean pools whose last windows are cut off."""
    _module("onnxscript")
    _module("onnxruntime")
    network = nn.Sequential(
        *(
            nn.Conv2d(1, 4, 3),
            nn.MaxPool2d(2, 2, padding=1, ceil_mode=True),
            make_neuron("fire", 4),
        ),
        *(nn.AvgPool2d(3, 2, ceil_mode=True), nn.Flatten(), nn.Linear(16, 3)),
    ).eval()
    graph = lower(network, SHAPE, (0.0,), (0.2,))
    path = make_exporter("onnx").write(graph, tmp_path / "net.onnx").path
    found, expected = simulator.onnxruntime(str(path), IMAGES)["logits"], graph.run(IMAGES)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, atol=1e-5)
