"""Training networks in time: encoders, read-outs, windows, and what each step learns by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from s3nn.clock import Unroll
from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.data import load
from s3nn.energy import count
from s3nn.errors import UsageError
from s3nn.experiment.trained import open_run
from s3nn.losses import Tet
from s3nn.recipes import find_recipe
from s3nn.training.build import build_model
from s3nn.training.fit import fit

DIGITS = load("digits")
LIF = Run(
    recipe="in time",
    data=Data(name="digits", batch=64),
    model=Model(name="mlp", width=0.15, neuron="lif", steps=4),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=4, threads=1),
)


@pytest.mark.parametrize(
    ("encoder", "readout", "least"),
    [
        ("direct", "membrane(take=max)", 0.8),
        ("rate", "sum", 0.6),
        ("latency", "weighted(warm_up=0)", 0.6),
        ("rows", "membrane(tau=4)", 0.5),
        ("direct", "first_spike(scale=0.5)", 0.4),
    ],
)
def test_networks_in_time_learn(encoder: str, readout: str, least: float, tmp_path: Path) -> None:
    run = LIF.with_model(encoder=encoder, readout=readout)
    fitted = fit(run, tmp_path / "run", DIGITS, progress=False)
    assert max(line["validation_accuracy"] for line in fitted.history) > least  # of ten classes
    assert isinstance(fitted.network, Unroll)
    opened = open_run(tmp_path / "run").network
    assert_close(opened.state_dict(), fitted.network.state_dict(), rtol=0, atol=0)
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(opened(x), fitted.network.eval()(x)), "the normalisation is read back too"


def test_the_weights_of_time_move_and_are_kept(tmp_path: Path) -> None:
    run = LIF.with_model(encoder="rows", readout="weighted(warm_up=0)")
    network = fit(run, tmp_path, DIGITS, progress=False).network
    weights = network.get_submodule("over_time").get_buffer("weights")
    assert weights.std() > 0.01, "the steps see different rows"
    assert_close(weights.mean(), torch.tensor(1.0))


def test_windows_train_to_the_same_network_whether_recomputed_or_not(tmp_path: Path) -> None:
    kept, redone = (
        fit(
            replace(LIF, fit=replace(LIF.fit, epochs=2, window=1, recompute=recompute)),
            tmp_path / str(recompute),
            DIGITS,
            progress=False,
        )
        for recompute in (False, True)
    )
    assert_close(kept.network.state_dict(), redone.network.state_dict())


def test_tet_is_every_step_alone_drawn_together(tmp_path: Path) -> None:
    outputs, labels = torch.randn(3, 5, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0])
    expected = sum(
        0.9 * cross_entropy(y, labels, label_smoothing=0.1) + 0.1 * (y - 1).square().mean()
        for y in outputs
    )
    assert_close(Tet(share=0.1)(outputs, outputs.mean(0), labels, 0.1), expected / 3)
    run = replace(LIF, optim=replace(LIF.optim, loss="tet(share=0.05)"))
    history = fit(run, tmp_path, DIGITS, progress=False).history
    assert history[-1]["validation_accuracy"] > 0.7


def test_the_parents_own_training_learns_within_its_bound(tmp_path: Path) -> None:
    run = find_recipe("fashion_tssl")
    run = replace(
        run,
        data=Data(name="digits", batch=50),
        optim=replace(run.optim, bound=0.3, lr=2e-3),
        fit=Fit(epochs=4, threads=1),
    )
    fitted = fit(run, tmp_path, DIGITS, progress=False)
    assert max(line["validation_accuracy"] for line in fitted.history) > 0.8
    largest = max(p.abs().max().item() for p in fitted.network.parameters())
    assert largest == pytest.approx(0.3)


def test_outputs_that_race_learn(tmp_path: Path) -> None:
    run = find_recipe("digits_antlr").with_model(width=0.15)
    run = replace(run, optim=replace(run.optim, lr=3e-3), fit=Fit(epochs=3, threads=1))
    history = fit(run, tmp_path, DIGITS, progress=False).history
    assert max(line["validation_accuracy"] for line in history) > 0.5


def test_one_step_with_an_encoder_of_its_own() -> None:
    binary = build_model(Model(name="mlp", encoder="rate"), (1, 8, 8), 10)
    assert isinstance(binary, Unroll)
    plain = build_model(Model(name="mlp", readout="sum"), (1, 8, 8), 10)
    assert not isinstance(plain, Unroll), "at one step a sum is its only term"
    latency = build_model(Model(name="mlp", readout="first_spike"), (1, 8, 8), 10)
    assert isinstance(latency, Unroll)


def test_spikes_at_the_input_are_accumulations() -> None:
    model = Model(name="mlp", width=0.1, neuron="lif", steps=3, encoder="latency(least=0.3)")
    network = build_model(model, (1, 8, 8), 10).eval()
    x = torch.rand(5, 1, 8, 8)
    first = next(layer for layer in count(network, [x]).layers if layer.operation == "linear")
    assert first.macs == 0
    assert first.acs == int((x > 0.3).sum()) * 40
    assert first.runs == 3
    direct = build_model(replace(model, encoder="direct"), (1, 8, 8), 10).eval()
    first = next(layer for layer in count(direct, [x]).layers if layer.operation == "linear")
    assert (first.macs, first.acs, first.runs) == (5 * 64 * 40, 0, 1)


def test_frames_of_event_data_go_to_their_steps() -> None:
    model = Model(name="mlp", width=0.1, neuron="lif", steps=4, encoder="frames")
    network = build_model(model, (8, 6, 6), 3)
    assert network(torch.rand(2, 8, 6, 6)).shape == (2, 3)
    assert network.get_submodule("encode.1.0").get_parameter("weight").shape == (40, 2 * 36)
    with pytest.raises(UsageError, match="9 channels to 4 steps"):
        build_model(model, (9, 6, 6), 3)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="unknown encoder 'ratee': did you mean 'rate'"):
        LIF.with_model(encoder="ratee").check()
    with pytest.raises(UsageError, match=r"say how many steps are one, --fit.window 1"):
        replace(LIF, fit=replace(LIF.fit, recompute=True)).check()
    with pytest.raises(UsageError, match=r"none of this model's neurons has a memory"):
        build_model(Model(name="mlp", steps=2), (1, 8, 8), 10)
