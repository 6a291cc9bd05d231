"""Networks that fire once, trained from a recipe to a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from s3nn.clock import Race
from s3nn.config import Budget, Run
from s3nn.data import load
from s3nn.errors import S3nnError
from s3nn.experiment.train import read_counts, train
from s3nn.experiment.trained import open_run
from s3nn.graph.lower import lower
from s3nn.recipes import find_recipe
from s3nn.training.build import build_model
from s3nn.training.fit import fit
from s3nn.training.learner import Learner
from s3nn.training.redraw import Redraw


def small(**changes: object) -> Run:
    run = find_recipe("digits_sstdp")
    fit = replace(run.fit, epochs=2, threads=1)
    return replace(run.with_model(width=0.25), fit=fit, **changes)


def test_it_learns_and_its_spikes_are_counted(tmp_path: Path) -> None:
    result = train(small(), tmp_path / "run", progress=False)
    (row,) = result.rows
    assert row.accuracy.mean > 0.6
    assert (row.name, row.macs) == ("sstdp-t17", 0)
    counts = read_counts(tmp_path / "run")
    layers = {layer.name: layer for layer in counts.layers}
    hidden, output = layers["encode.1.neuron"], layers["readout.neuron"]
    assert (hidden.neurons, output.neurons) == (100, 10)
    for layer in (hidden, output):
        assert 0 < layer.spikes_out <= layer.neurons * counts.samples, "one a neuron at most"
    weights = layers["readout.weights"]
    assert weights.spikes_in == hidden.spikes_out
    assert weights.acs == 10 * hidden.spikes_out
    assert {p.layer for p in row.potentials} == {"encode.1", "readout"}
    assert (tmp_path / "run" / "report.html").is_file()
    trained = open_run(tmp_path / "run")
    assert trained.accuracy(trained.data().test) == pytest.approx(row.accuracy.mean)


def test_an_interrupted_run_ends_at_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts of who fires, and what is drawn for the dead, go on where they stopped."""
    run = small(data=replace(small().data, batch=64))
    run = run.with_model(neuron=run.model.neuron.replace("start", "redraw=0.4, start"))
    data = load("digits")
    fit(run, tmp_path / "whole", data, progress=False)
    step = Learner.training_step

    def failing(self: Learner, batch: Any, index: int) -> Any:
        if self.global_step == 20:  # in the second epoch of 16 steps
            raise RuntimeError("the machine went away")
        return step(self, batch, index)

    monkeypatch.setattr(Learner, "training_step", failing)
    with pytest.raises(RuntimeError, match="went away"):
        fit(run, tmp_path / "broken", data, progress=False)
    monkeypatch.undo()
    fit(run, tmp_path / "broken", data, progress=False)
    whole, broken = (
        load_file(tmp_path / name / "model.safetensors") for name in ("whole", "broken")
    )
    assert whole.keys() == broken.keys()
    assert all(torch.equal(value, broken[name]) for name, value in whole.items())


def test_dead_neurons_are_drawn_from_the_second_epoch_on() -> None:
    torch.manual_seed(0)
    network = build_model(small().model, (1, 8, 8), 10)
    assert isinstance(network, Race)
    (layer,) = network.hidden
    with torch.no_grad():
        layer.weights.weight[3] = -1.0
    network.train()(torch.rand(20, 1, 8, 8))
    assert layer.seen == 20

    class Module:
        def __init__(self) -> None:
            self.network = network

    class Trainer:
        current_epoch = 0

    trainer, module = Trainer(), Module()
    Redraw(7).on_train_epoch_start(trainer, module)  # type: ignore[arg-type]
    assert (layer.weights.weight[3] == -1).all()
    trainer.current_epoch = 1
    Redraw(7).on_train_epoch_start(trainer, module)  # type: ignore[arg-type]
    assert (layer.weights.weight[3] >= 0).all()
    assert layer.seen == 0


def test_a_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        S3nnError, match="a budget or penalty of spikes that are times is not supported"
    ):
        train(small(budget=Budget(spikes=10.0)), tmp_path / "run", progress=False)


def test_it_is_not_compiled(tmp_path: Path) -> None:
    network = build_model(small().model, (1, 8, 8), 10)
    with pytest.raises(S3nnError, match="not supported"):
        lower(network, (1, 8, 8))
