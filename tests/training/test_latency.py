"""A budget of latency: a line through timings, and what has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import Module

from s3nn.config import Budget, Fit, Model, Run
from s3nn.data import load
from s3nn.energy import count
from s3nn.energy.watching import Watch
from s3nn.errors import RunFolderError, UnsupportedError
from s3nn.experiment import latency
from s3nn.experiment.latency import Calibration, calibrate, calibrated, latency_us, timed
from s3nn.experiment.train import train
from s3nn.graph.ir import Array
from s3nn.training.fit import untrained

DIGITS = load("digits")
RUN = Run(model=Model(name="cnn7", width=0.1), fit=Fit(epochs=1, threads=1))


def test_the_line_is_that_of_the_timings(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock of 3 us and 0.01 us an accumulation, those are found."""
    network, seen = untrained(RUN, DIGITS), []

    def program(variant: Module, data: object) -> object:
        seen.append(latency._accumulations(variant, DIGITS))
        return lambda images: images

    monkeypatch.setattr(latency, "_program", program)
    monkeypatch.setattr(latency, "timed", lambda *_: [3 + 0.01 * each for each in seen])
    found = calibrate(RUN, network, DIGITS)
    assert found.us_at_rest == pytest.approx(3)
    assert found.us_per_accumulation == pytest.approx(0.01)
    assert found.r_squared == pytest.approx(1)
    assert sorted(seen, reverse=True) == seen
    x = torch.randn(4, 1, 8, 8)
    spending, counts = found.spending(network), count(network, [x])
    watch = Watch(network.eval(), [spending])
    with watch.attached():
        network(x)
    spent = spending.fixed + watch.taken(spending).item() / 4
    assert spent == pytest.approx(3 + 0.01 * counts.acs / 4)
    monkeypatch.setattr(latency, "timed", lambda *_: [3 - 0.01 * each for each in seen[-5:]])
    with pytest.raises(UnsupportedError, match="latency that does not rise with spikes"):
        calibrate(RUN, network, DIGITS)


def test_the_least_of_the_rounds_is_taken() -> None:
    calls: list[int] = []

    def program(image: Array) -> Array:
        calls.append(len(image))
        return image

    (us,) = timed([program], np.zeros((3, 1, 2, 2)))
    assert calls == [1] * 3 * latency.ROUNDS
    assert 0 < us < 1000


def test_a_calibration_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    kept = {
        "us_at_rest": 1.0,
        "us_per_accumulation": 0.5,
        "accumulations": [1, 2],
        "latency_us": [1.5, 2],
    }
    path.write_text(json.dumps(kept))
    found = calibrated(RUN, untrained(RUN, DIGITS), DIGITS, path)
    assert found == Calibration(1.0, 0.5, (1.0, 2.0), (1.5, 2.0))
    path.write_text("{")
    with pytest.raises(RunFolderError, match="delete it to time again"):
        calibrated(RUN, untrained(RUN, DIGITS), DIGITS, path)


def test_a_network_in_time_has_no_compiled_form() -> None:
    run = replace(RUN, model=replace(RUN.model, neuron="lif", steps=2))
    with pytest.raises(UnsupportedError, match="only networks of fire neurons in one step"):
        calibrate(run, untrained(run, DIGITS), DIGITS)


def test_a_trained_run_says_what_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = untrained(RUN, DIGITS)
    assert latency_us(network, DIGITS, DIGITS.test.images.numpy()) > 0  # compiled and timed
    line = Calibration(1.0, 1e-3, (0.0, 1.0), (1.0, 1.001))
    monkeypatch.setattr("s3nn.experiment.train.calibrated", lambda *_: line)
    run = replace(RUN, budget=Budget(latency_us=500.0))
    train(run, tmp_path / "run")
    assert "by the line that was timed before" in capsys.readouterr().err
