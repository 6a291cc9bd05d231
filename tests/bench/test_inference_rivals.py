"""The runtimes that a compiled spiking network is held against, built for a tiny ReLU network.

Runs where the extra s3nn[rivals] is installed.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from s3nn.config import Model
from s3nn.neurons.relu import Relu
from s3nn.training.build import build_model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from s3nn.rivals.quiet import no_telemetry  # type: ignore[import-not-found]

    with no_telemetry():
        for package in ("onnx", "onnxscript", "onnxruntime", "openvino", "nncf"):
            pytest.importorskip(package)
    from s3nn.rivals.engines import RIVALS, Engine, LeftOut, engines  # type: ignore[import-not-found]
    from s3nn.rivals.parity import check_parity, logits  # type: ignore[import-not-found]
    from s3nn.rivals.simplify import simplified  # type: ignore[import-not-found]

IMAGES = 1000


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def tiny(channels: int) -> nn.Module:
    """cnn7 with the statistics and scales of a network that was trained, all different."""
    model = Model(name="cnn7", neuron="relu", width=0.1)
    network = build_model(model, (channels, 8, 8), 10).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean, std=0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 2.0)
            nn.init.normal_(norm.bias, std=0.2)
    return network


def built(network: nn.Module, x: np.ndarray, batch: int) -> dict[str, Engine]:
    ready, left_out = engines(network, x, batch, threads=1)
    # bfloat16 is a matter of the CPU; every other engine has to be there.
    assert all(entry.name == "openvino bf16" for entry in left_out), left_out
    return {engine.name: engine for engine in ready}


def test_a_signal_is_handled_when_the_engines_are_gone() -> None:
    """OpenVINO gives the thread another stack for signals: it may not be left unmapped."""
    x = torch.randn(64, 1, 8, 8).numpy()
    kept = [built(tiny(1), x, 1) for _ in range(2)]
    while kept:  # the first one first
        del kept[0]
        gc.collect()
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


@pytest.mark.parametrize(("channels", "batch"), [(1, 1), (3, 4)])
def test_every_engine_computes_the_network(
    channels: int, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = tiny(channels)
    x = torch.randn(IMAGES, channels, 8, 8).numpy()
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    found = built(network, x[:64], batch)
    assert {*found} | {"openvino bf16"} == {*RIVALS}
    for engine in found.values():
        parity = check_parity(engine, network, x, expected.argmax(1))
        assert parity.torch_accuracy == 1.0
        assert parity.accuracy == 1 - parity.classes_apart / IMAGES
        if engine.precision == "fp32":
            np.testing.assert_allclose(logits(engine, x), expected, rtol=0, atol=1e-3)
            assert parity.holds
        else:
            assert parity.accuracy > 0.9, parity
            assert parity.logits_apart > 1e-3, f"{engine.name} has not less precision: {parity}"
    assert not [*tmp_path.iterdir()]  # nothing is left behind


def test_another_network_is_no_rival() -> None:
    network, other = tiny(1), tiny(1)
    x = torch.randn(8, 1, 8, 8).numpy()
    (engine,) = (engine for engine in _only("torch fp32", network, x)[0])
    with pytest.raises(AssertionError, match="does not compute what torch does"):
        check_parity(engine, other, x, np.zeros(8, np.int64))


def test_the_last_batch_may_be_partial() -> None:
    network = tiny(1)
    x = torch.randn(10, 1, 8, 8).numpy()
    ((engine,), _) = _only("torch fp32", network, x, batch=4)
    with torch.no_grad():
        np.testing.assert_allclose(
            logits(engine, x), network(torch.from_numpy(x)).numpy(), rtol=0, atol=1e-4
        )


def test_less_precision_on_few_images_proves_nothing() -> None:
    network = tiny(1)
    x = torch.randn(10, 1, 8, 8).numpy()
    ((engine,), _) = _only("torch fp32", network, x)
    parity = check_parity(engine, network, x, np.zeros(10, np.int64))
    assert parity.holds
    assert not replace(parity, precision="int8").holds
    assert replace(parity, precision="int8", images=1000).holds
    assert not replace(parity, precision="int8", images=1000, accuracy=-0.5).holds


def test_an_engine_that_cannot_be_built_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for name in {*RIVALS} - {"torch fp32", "openvino fp32"}:
        monkeypatch.delitem(RIVALS, name)
    ready, (left_out,) = engines(tiny(1), torch.randn(4, 1, 8, 8).numpy(), 1, 1)
    assert [engine.name for engine in ready] == ["torch fp32"]
    assert left_out.name == "openvino fp32"
    assert "openvino" in left_out.reason
    assert "pip install" in left_out.remedy


def test_too_few_images_to_calibrate_on() -> None:
    with pytest.raises(ValueError, match="make no batch of 4"):
        engines(tiny(1), torch.randn(3, 1, 8, 8).numpy(), 4, 1)


def test_simplified_is_the_same_function_and_leaves_the_network_alone() -> None:
    network = tiny(1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(8, 1, 8, 8)
    copy = simplified(network)
    torch.testing.assert_close(copy(x), network(x), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    kinds = [type(module) for module in copy.modules()]
    pools = [i for i, kind in enumerate(kinds) if kind is nn.MaxPool2d]
    assert len(pools) == 3
    assert all(kinds[i - 1] is Relu for i in pools)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def _only(
    name: str, network: nn.Module, x: np.ndarray, batch: int = 1
) -> tuple[list[Engine], list[LeftOut]]:
    with pytest.MonkeyPatch.context() as patch:
        for other in {*RIVALS} - {name}:
            patch.delitem(RIVALS, other)
        return engines(network, x, batch, threads=1)
