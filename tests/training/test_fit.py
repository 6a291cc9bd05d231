"""Training: deterministic, resumable, and clear about what went wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.data import load
from s3nn.errors import RunFolderError, TrainingError, UsageError
from s3nn.losses import cross_entropy as losses
from s3nn.training import learner
from s3nn.training.fit import fit
from s3nn.training.folder import (
    BEST,
    LAST,
    LOCK,
    WEIGHTS,
    alone,
    data_description,
    write_run,
)

DIGITS = load("digits")
QUICK = Run(
    recipe="quick",
    data=Data(name="digits", shift=1, batch=64),
    model=Model(name="mlp", width=0.1),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=3, threads=1),
)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    fit(QUICK, tmp_path / "a", DIGITS, progress=False)
    fit(QUICK, tmp_path / "b", DIGITS, progress=False)
    fit(replace(QUICK, seed=1), tmp_path / "c", DIGITS, progress=False)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_training_learns_and_logs(tmp_path: Path) -> None:
    run = replace(QUICK, fit=Fit(epochs=8, threads=1))
    fitted = fit(run, tmp_path / "run", DIGITS, progress=False)
    assert [line["epoch"] for line in fitted.history] == list(range(8))
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]
    assert max(line["validation_accuracy"] for line in fitted.history) > 0.7
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 8


def test_the_kept_weights_are_the_best_by_validation(tmp_path: Path) -> None:
    fitted = fit(replace(QUICK, fit=Fit(epochs=6, threads=1)), tmp_path, DIGITS, progress=False)
    x = DIGITS.validation
    mean, std = DIGITS.spec.mean[0], DIGITS.spec.std[0]
    with torch.inference_mode():
        logits = fitted.network.eval()((x.images.float() / 255 - mean) / std)
    accuracy = float((logits.argmax(1) == x.labels).float().mean())
    best = max(line["validation_accuracy"] for line in fitted.history)
    assert accuracy == pytest.approx(best, abs=1e-6)


def test_a_finished_folder_is_not_trained_again(tmp_path: Path) -> None:
    fit(QUICK, tmp_path, DIGITS, progress=False)
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = fit(QUICK, tmp_path, DIGITS, progress=False)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before
    assert len(again.history) == 3
    assert not (tmp_path / LAST).exists()
    assert not (tmp_path / BEST).exists()


def test_another_runs_folder_is_left_alone(tmp_path: Path) -> None:
    fit(QUICK, tmp_path, DIGITS, progress=False)
    other = replace(QUICK, optim=Optim(lr=0.01))
    with pytest.raises(RunFolderError, match=r"holds another run .*optim\.lr: 0\.05 -> 0\.01"):
        fit(other, tmp_path, DIGITS, progress=False)


def test_a_folder_is_trained_by_one_process(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_run(folder, QUICK, data_description(DIGITS), {})
    with (
        alone(folder),
        pytest.raises(RunFolderError, match=r"being trained by another process.*--out"),
    ):
        fit(QUICK, folder, DIGITS, progress=False)
    assert sorted(path.name for path in folder.iterdir()) == ["run.json"]
    fit(QUICK, folder, DIGITS, progress=False)
    assert (folder / WEIGHTS).is_file()
    assert not (folder / LOCK).exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="is no run folder"):
        fit(QUICK, tmp_path, DIGITS, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_interrupted_run_ends_at_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(QUICK, tmp_path / "whole", DIGITS, progress=False)
    _fail_at_step(monkeypatch, 25, RuntimeError("the machine went away"))  # in the second epoch
    with pytest.raises(RuntimeError, match="went away"):
        fit(QUICK, tmp_path / "broken", DIGITS, progress=False)
    assert not (tmp_path / "broken" / "model.safetensors").exists()
    monkeypatch.undo()
    fit(QUICK, tmp_path / "broken", DIGITS, progress=False)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_at_step(monkeypatch, 25, None)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 25 \(epoch 2\)"):
        fit(QUICK, tmp_path, DIGITS, progress=False)
    state = torch.load(tmp_path / LAST, weights_only=True)["state_dict"]
    assert all(bool(torch.isfinite(v).all()) for v in state.values())


def test_a_huge_learning_rate_names_the_place(tmp_path: Path) -> None:
    run = replace(QUICK, optim=Optim(lr=1e38, schedule="constant", warmup=0.0))
    with pytest.raises(
        TrainingError, match=r"at step \d+ .*(parameter|layer) \S+ is not|no longer"
    ):
        fit(run, tmp_path, DIGITS, progress=False)


@pytest.mark.parametrize(
    ("optim", "extra"),
    [
        (Optim(name="adamw", lr=2e-3, schedule="cosine", clip=1.0), Fit(epochs=4, threads=1)),
        (Optim(lr=0.02, schedule="constant"), Fit(epochs=4, threads=1, precision="bf16")),
        (Optim(lr=0.05, label_smoothing=0.1), Fit(epochs=9, threads=1, patience=1)),
    ],
)
def test_other_settings_train_too(tmp_path: Path, optim: Optim, extra: Fit) -> None:
    fitted = fit(replace(QUICK, optim=optim, fit=extra), tmp_path, DIGITS, progress=False)
    assert fitted.history[-1]["train_loss"] < 2.3
    assert all(math.isfinite(value) for line in fitted.history for value in line.values())


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_schedules_rise_to_lr_and_end_where_they_say(schedule: str) -> None:
    optim = Optim(lr=0.5, schedule=schedule, warmup=0.2)  # type: ignore[arg-type]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.5, momentum=0.9)
    scheduler = learner.make_schedule(optimizer, optim, steps=100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] < 0.05
    assert max(rates) == pytest.approx(0.5, rel=1e-2)
    assert rates.index(max(rates)) == pytest.approx(20, abs=1)
    assert rates[-1] == pytest.approx(0.5 if schedule == "constant" else 0.0, abs=5e-3)


def test_an_exponential_schedule_decays_an_epoch() -> None:
    optim = Optim(lr=0.5, schedule="exponential", decay=0.9, warmup=0.0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.5)
    scheduler = learner.make_schedule(optimizer, optim, steps=30, epochs=3)
    rates = []
    for _ in range(30):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0.5] * 10 + [0.45] * 10 + [0.405] * 10)


def _fail_at_step(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception | None) -> None:
    """From training step ``number`` on, raise ``error``, or make the loss NaN if there is none."""
    real, calls = losses.cross_entropy, 0

    def failing(logits: Tensor, y: Tensor, **options: float) -> Tensor:
        nonlocal calls
        loss = real(logits, y, **options)
        if logits.requires_grad:
            calls += 1
            if calls >= number:
                if error is not None:
                    raise error
                return loss * math.nan
        return loss

    monkeypatch.setattr(losses, "cross_entropy", failing)


def test_a_finished_run_is_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(QUICK, tmp_path / "done", DIGITS, progress=False)
    monkeypatch.setattr("s3nn.files.writable", lambda folder: False)
    assert len(fit(QUICK, tmp_path / "done", DIGITS, progress=False).history) == 3
    with pytest.raises(UsageError, match="nothing can be written in"):
        fit(QUICK, tmp_path / "new", DIGITS, progress=False)
