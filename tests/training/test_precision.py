"""The arithmetic of a training step: the machine's faster one, and one from beginning to end."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.data import load
from s3nn.training import precision
from s3nn.training.fit import fit
from s3nn.training.learner import Learner

DIGITS = load("digits")
CPU = torch.device("cpu")
QUICK = Run(
    recipe="quick",
    data=Data(name="digits", batch=64),
    model=Model(name="mlp", width=0.1),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=2, threads=1, precision="auto", accelerator="cpu"),
)


@pytest.fixture
def gain(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets what bfloat16 gains on the processor."""

    def set_(value: float) -> None:
        monkeypatch.setattr(precision, "bfloat16_gain", lambda: value)
        monkeypatch.setattr("s3nn.training.remarks.bfloat16_gain", lambda: value)

    return set_


def test_it_is_bfloat16_where_that_is_faster(
    gain: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gain(1.9)
    assert precision.arithmetic("auto", CPU) == "bf16"
    assert precision.arithmetic("auto", torch.device("mps")) == "32"
    gain(0.5)
    assert precision.arithmetic("auto", CPU) == "32"
    assert precision.arithmetic("bf16", CPU) == "bf16"
    for native, found in ((True, "bf16"), (False, "32")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, native=native: native
        )
        assert precision.arithmetic("auto", torch.device("cuda", 0)) == found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's instruction sets of x86")
def test_without_bfloat16_in_the_processor_float32_is_faster() -> None:
    code = "from s3nn.training.precision import bfloat16_gain; print(bfloat16_gain())"
    held = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, "-c", code], env=held, capture_output=True, check=True)
    assert 0 < float(found.stdout) < 0.8


def test_a_run_goes_on_in_what_it_began_with(
    gain: Callable[[float], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, folder in ((2.0, "bf16"), (0.5, "32")):
        gain(value)
        fit(QUICK, tmp_path / folder, DIGITS, progress=False)
        described = json.loads((tmp_path / folder / "run.json").read_text())
        assert described["versions"]["arithmetic"] == folder
        explicit = replace(QUICK, fit=replace(QUICK.fit, precision=folder))  # type: ignore[arg-type]
        fit(explicit, tmp_path / f"explicit {folder}", DIGITS, progress=False)
        assert _same(tmp_path / folder, tmp_path / f"explicit {folder}")
    assert not _same(tmp_path / "bf16", tmp_path / "32")
    step = Learner.training_step

    def fails(self: Learner, batch: object, index: int) -> object:
        if self.current_epoch == 1:
            raise RuntimeError("the machine went away")
        return step(self, batch, index)  # type: ignore[arg-type]

    gain(2.0)
    with monkeypatch.context() as broken:
        broken.setattr(Learner, "training_step", fails)
        with pytest.raises(RuntimeError, match="went away"):
            fit(QUICK, tmp_path / "broken", DIGITS, progress=False)
    gain(0.5)  # another machine
    fit(QUICK, tmp_path / "broken", DIGITS, progress=False)
    assert _same(tmp_path / "broken", tmp_path / "bf16")


def test_who_asks_for_the_slower_one_is_told(
    gain: Callable[[float], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = replace(QUICK, fit=replace(QUICK.fit, epochs=1, precision="bf16"))
    gain(0.25)
    fit(run, tmp_path / "slow", DIGITS)
    assert "take 4.0 times as long in bfloat16 as in float32" in capsys.readouterr().err
    gain(2.0)
    fit(run, tmp_path / "fast", DIGITS)
    assert "bfloat16" not in capsys.readouterr().err


def _same(a: Path, b: Path) -> bool:
    one, other = (load_file(folder / "model.safetensors") for folder in (a, b))
    return all(torch.equal(one[key], other[key]) for key in one)
