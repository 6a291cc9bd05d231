"""Training by a rule: from the flag to the weights, over a break, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from s3nn.config import Budget, Chip, Data, Fit, Gates, Model, Optim, Penalty, Run
from s3nn.data import load
from s3nn.errors import UsageError
from s3nn.losses.cross_entropy import CrossEntropy
from s3nn.recipes import find_recipe
from s3nn.rules import Stdp
from s3nn.training.fit import fit, untrained
from s3nn.training.folder import LAST
from s3nn.training.ruling import intensities, rule_of

DIGITS = load("digits")
QUICK = Run(
    recipe="quick",
    data=Data(name="digits", shift=1, mixup=0.2, batch=64),
    model=Model(name="mlp", width=0.1),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=2, threads=1),
)
TAUGHT = ["brp", "feedback_alignment", "direct_feedback_alignment"]


def ruled(rule: str, run: Run = QUICK) -> Run:
    return replace(run, optim=replace(run.optim, rule=rule))


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def test_the_last_layer_leaves_hidden_weights_untouched(tmp_path: Path) -> None:
    optim = replace(QUICK.optim, rule="last_layer", weight_decay=0.1, bound=0.05)
    run = replace(QUICK, optim=optim)
    fitted = fit(run, tmp_path, DIGITS, progress=False)
    before, after = untrained(run, DIGITS), weights(tmp_path)
    moved = [n for n, p in before.named_parameters() if not torch.equal(p, after[n])]
    assert moved == ["readout.weight", "readout.bias"]
    assert not torch.equal(
        after["features.1.1.running_mean"], before.state_dict()["features.1.1.running_mean"]
    )
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]
    assert all(p.requires_grad for p in fitted.network.parameters())


def fail_in_the_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, plain = 0, CrossEntropy.__call__

    def failing(self: CrossEntropy, *args: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 50:  # two a step: parts of a mixed image
            raise RuntimeError("the machine went away")
        return plain(self, *args)

    monkeypatch.setattr(CrossEntropy, "__call__", failing)


@pytest.mark.parametrize("rule", TAUGHT)
def test_a_break_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """Weights follow from the seed, and the matrices are held in the checkpoint."""
    run = ruled(rule)
    fit(run, tmp_path / "whole", DIGITS, progress=False)
    fail_in_the_second_epoch(monkeypatch)
    with pytest.raises(RuntimeError, match="went away"):
        fit(run, tmp_path / "broken", DIGITS, progress=False)
    held = torch.load(tmp_path / "broken" / LAST, weights_only=True)["state_dict"]
    drawn = rule_of(run, untrained(run, DIGITS), (1, 8, 8), 10).state_dict()
    assert drawn
    assert all(torch.equal(held[f"rule.{key}"], value) for key, value in drawn.items())
    monkeypatch.undo()
    fit(run, tmp_path / "broken", DIGITS, progress=False)
    whole, broken = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert whole.keys() == broken.keys() == untrained(run, DIGITS).state_dict().keys()
    assert all(torch.equal(whole[key], broken[key]) for key in whole)
    first = untrained(run, DIGITS).state_dict()["encode.1.0.weight"]
    assert not torch.equal(whole["encode.1.0.weight"], first)


def test_stdp_trains_the_first_layer_once_and_freezes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ruled("stdp(images=128)")
    first = "encode.1.0.weight"
    fit(run, tmp_path / "whole", DIGITS, progress=False)
    whole = weights(tmp_path / "whole")
    network = untrained(run, DIGITS)
    drawn = network.state_dict()[first].clone()
    rule = rule_of(run, network, (1, 8, 8), 10)
    rule.pretrain(network, intensities(run, DIGITS), run.seed)
    assert torch.equal(whole[first], network.state_dict()[first])
    assert not torch.equal(whole[first], drawn)
    assert torch.equal(whole["encode.1.1.weight"], torch.ones(40))
    assert not torch.equal(
        whole["features.1.0.weight"], network.state_dict()["features.1.0.weight"]
    )
    fit(ruled("stdp(images=0)"), tmp_path / "random", DIGITS, progress=False)
    assert torch.equal(weights(tmp_path / "random")[first], drawn)
    fail_in_the_second_epoch(monkeypatch)
    with pytest.raises(RuntimeError, match="went away"):
        fit(run, tmp_path / "broken", DIGITS, progress=False)
    monkeypatch.undo()
    monkeypatch.setattr(Stdp, "pretrain", lambda *given: pytest.fail("it has learned already"))
    fit(run, tmp_path / "broken", DIGITS, progress=False)
    broken = weights(tmp_path / "broken")
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


@pytest.mark.parametrize("rule", TAUGHT)
def test_a_rule_trains_in_time_and_in_half_precision(tmp_path: Path, rule: str) -> None:
    run = ruled(rule).with_model(neuron="lif", steps=2)
    run = replace(run, fit=replace(run.fit, precision="bf16"))
    fitted = fit(run, tmp_path, DIGITS, progress=False)
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (ruled("brb"), "unknown rule 'brb': did you mean 'brp'"),
        (replace(ruled("brp"), fit=Fit(step="lean")), r"optim\.rule=brp .* --fit\.step lean wants"),
        (
            replace(ruled("feedback_alignment"), fit=Fit(step="lean")),
            r"feedback_alignment .* --fit\.step lean wants those of back-propagation: drop one",
        ),
        (
            ruled("brp").with_model(
                name="mlp(norm=False)",
                neuron="antlr",
                output="antlr(answer=spikes)",
                steps=4,
                encoder="latency",
                readout="first_spike",
            ),
            r"optim\.rule=brp gives .* neurons of model\.neuron=antlr want one of their times too",
        ),
        (
            replace(
                ruled("brp").with_model(neuron="lif", steps=4), fit=Fit(window=2, truncate=True)
            ),
            r"brp .* and --fit\.window wants",
        ),
        (
            replace(ruled("direct_feedback_alignment"), penalty=Penalty(name="l1", strength=1e-3)),
            r"direct_feedback_alignment .* and --penalty wants",
        ),
        (replace(ruled("last_layer"), budget=Budget(firing_rate=0.1)), "last_layer .* --budget"),
        (
            replace(ruled("brp").with_model(name="cnn7", width=0.0625), gates=Gates(channel=True)),
            "brp .* --gates wants",
        ),
        (
            replace(
                ruled("brp").with_model(name="dncnn", width=0.1),
                task="denoising",
                data=Data(name="digits", batch=64),
                optim=Optim(rule="brp", loss="mse"),
            ),
            "the label of classes and task=denoising has none: take --optim.rule feedback_align",
        ),
        (
            ruled("last_layer", replace(find_recipe("digits_chip"), chip=Chip(seed=0))),
            "last_layer .* --chip wants",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, run: Run, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit(run, tmp_path / "run", DIGITS, progress=False)
    assert not (tmp_path / "run").exists()
