"""What a recipe may add to plain training, each against what it is said to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import softmax
from torch.testing import assert_close

from s3nn.config import Budget, Data, Fit, Model, Optim, Penalty, Run, Teacher
from s3nn.data import load
from s3nn.errors import RunFolderError, TrainingError, UsageError
from s3nn.experiment.teaching import open_teacher
from s3nn.experiment.train import train
from s3nn.experiment.trained import load_data
from s3nn.native import CompilerError
from s3nn.report import read_result
from s3nn.surrogates import S3, Triangle
from s3nn.training.augment import cutout, mixup
from s3nn.training.build import build_model, start_at
from s3nn.training.callbacks import Sharpen
from s3nn.training.distillation import distillation
from s3nn.training.fit import fit, untrained
from s3nn.training.learner import make_schedule

DIGITS = load("digits")
QUICK = Run(
    data=Data(name="digits", batch=64),
    model=Model(name="mlp", width=0.1),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=3, threads=1),
)


@pytest.mark.parametrize("setting", [{"cutout": 9}, {"shift": 9}])
def test_nothing_of_an_image_is_no_training_image(setting: dict[str, int], tmp_path: Path) -> None:
    run = replace(QUICK, data=replace(QUICK.data, **setting))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"=9 leaves nothing of .* 8 x 8 pixels: pass 8 at most"):
        fit(run, tmp_path / "run", DIGITS, progress=False)
    assert not (tmp_path / "run").exists()


def test_cutout_blanks_one_square_an_image() -> None:
    torch.manual_seed(0)
    blanked = cutout(torch.ones(200, 2, 9, 9), 3) == 0
    assert torch.equal(blanked[:, 0], blanked[:, 1])
    counts = blanked[:, 0].sum((1, 2))
    assert set(counts.tolist()) == {4, 6, 9}  # whole, over one border, over a corner
    rows, columns = blanked[:, 0].any(2).sum(1), blanked[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, counts)
    assert blanked[:, 0].any(0).all()


def test_mixup_is_the_weighted_sum() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 1, 4, 4)
    mixed, partner, share = mixup(x, 0.4)
    assert sorted(partner.tolist()) == list(range(6))
    assert 0 <= share <= 1
    assert_close(mixed, share * x + (1 - share) * x[partner])


def test_distillation_is_the_divergence() -> None:
    logits, taught, t = torch.randn(5, 10).double(), torch.randn(5, 10).double(), 3.0
    p, q = softmax(taught / t, 1), softmax(logits / t, 1)
    assert_close(distillation(logits, taught, t), t * t * (p * (p / q).log()).sum(1).mean())
    assert_close(distillation(taught, taught, t), torch.tensor(0.0).double())


def test_sharper_surrogates() -> None:
    assert S3(alpha=4.0).sharper(1.5) == S3(alpha=6.0)
    assert Triangle(width=1.0).sharper(2.0) == Triangle(width=0.5)


def test_what_cannot_be_sharper_is_refused(tmp_path: Path) -> None:
    model = replace(QUICK.model, neuron="fire(surrogate=timing_only)")
    run = replace(QUICK, model=model, optim=replace(QUICK.optim, sharpen=2.0))
    with pytest.raises(UsageError, match=r"sharpen=2 does nothing to the surrogate timing_only"):
        fit(run, tmp_path / "run", DIGITS, progress=False)
    assert not (tmp_path / "run").exists()
    relu = replace(run, model=replace(QUICK.model, neuron="relu"))  # the row beside it has none
    fit(relu, tmp_path / "run", DIGITS, progress=False)


def test_sharpening_reaches_its_factor_at_the_last_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    whole = Sharpen.on_train_epoch_start

    def watch(self: Sharpen, trainer: object, module: object) -> None:
        whole(self, trainer, module)  # type: ignore[arg-type]
        seen.append(self._first[0][0].surrogate.alpha)

    monkeypatch.setattr(Sharpen, "on_train_epoch_start", watch)
    run = replace(QUICK, optim=Optim(lr=0.05, sharpen=2.0))
    fitted = fit(run, tmp_path, DIGITS, progress=False)
    assert seen == [4.0, 6.0, 8.0]
    assert {m.surrogate for m in fitted.network.modules() if hasattr(m, "surrogate")} == {S3()}


INGREDIENTS = {
    "average": replace(QUICK, optim=Optim(lr=0.05, average=0.9)),
    "sharpen": replace(QUICK, optim=Optim(lr=0.05, sharpen=2.0)),
    "cutout and mixup": replace(QUICK, data=replace(QUICK.data, cutout=3, mixup=0.2)),
    "accumulate": replace(QUICK, fit=replace(QUICK.fit, accumulate=4)),
    "budget": replace(QUICK, budget=Budget(firing_rate=0.05)),
    "budget of energy, averaged": replace(
        QUICK, optim=Optim(lr=0.05, average=0.9), budget=Budget(energy_pj=2e4)
    ),
    "penalty": replace(QUICK, penalty=Penalty("synaptic", strength=1e-5, ramp=0.5)),
    "lean": replace(QUICK, fit=replace(QUICK.fit, step="lean")),
}


@pytest.mark.parametrize("name", INGREDIENTS)
def test_a_resumed_run_ends_at_the_same_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3nn.training.learner import Learner

    run = INGREDIENTS[name]
    fit(run, tmp_path / "whole", DIGITS, progress=False)
    step = Learner.training_step

    def fails(self: Learner, batch: object, index: int) -> object:
        if self.current_epoch == 1 and index == 3:
            raise RuntimeError("the machine went away")
        return step(self, batch, index)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "training_step", fails)
    with pytest.raises(RuntimeError, match="went away"):
        fit(run, tmp_path / "broken", DIGITS, progress=False)
    monkeypatch.undo()
    fit(run, tmp_path / "broken", DIGITS, progress=False)
    whole, broken = (load_file(tmp_path / n / "model.safetensors") for n in ("whole", "broken"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


def test_the_kept_weights_are_the_average(tmp_path: Path) -> None:
    """One step and a decay near one: the average is still the start, the weights are not."""
    run = replace(
        QUICK,
        data=replace(QUICK.data, batch=1000),
        optim=Optim(lr=0.5, schedule="constant", warmup=0.0, average=0.999999),
        fit=Fit(epochs=2, threads=1),
    )
    fit(run, tmp_path / "average", DIGITS, progress=False)
    plain = replace(run, optim=replace(run.optim, average=0.0))
    fit(plain, tmp_path / "plain", DIGITS, progress=False)
    one = replace(plain, fit=Fit(epochs=1, threads=1))
    first = fit(one, tmp_path / "first", DIGITS, progress=False).network.state_dict()
    kept = load_file(tmp_path / "average" / "model.safetensors")
    assert_close(kept["readout.weight"], first["readout.weight"], rtol=1e-3, atol=1e-4)


def test_accumulated_parts_make_one_step(tmp_path: Path) -> None:
    """The learning rate falls once a batch, however many parts it is computed in."""
    parts = replace(QUICK, fit=replace(QUICK.fit, accumulate=4))
    whole = fit(QUICK, tmp_path / "whole", DIGITS, progress=False).history
    split = fit(parts, tmp_path / "split", DIGITS, progress=False).history
    assert split[-1]["lr"] == pytest.approx(whole[-1]["lr"], rel=0.05, abs=1e-5)
    assert split[-1]["train_loss"] < split[0]["train_loss"]


def test_a_loss_that_is_a_sum_over_the_batch_is_one_over_its_parts(tmp_path: Path) -> None:
    model = Model(name="one_hidden", width=0.1, neuron="timing", steps=4)  # no batch-norm
    run = replace(QUICK, model=model, optim=replace(QUICK.optim, lr=1e-6, loss="kernel"))
    begun, ended = untrained(run, DIGITS).state_dict()["readout.weight"], []
    for name, parts in (("whole", 1), ("parts", 4)):
        run = replace(run, fit=replace(QUICK.fit, epochs=1, accumulate=parts))
        fit(run, tmp_path / name, DIGITS, progress=False)
        ended.append(load_file(tmp_path / name / "model.safetensors")["readout.weight"])
    whole, split = (weights - begun for weights in ended)
    assert float((split - whole).norm()) < 0.1 * float(whole.norm()) > 0


@pytest.mark.parametrize(("momentum", "ends"), [(0.9, (0.85, 0.95)), (0.5, (0.25, 0.75))])
def test_one_cycle_moves_the_momentum_that_was_asked_for(
    momentum: float, ends: tuple[float, float]
) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=momentum)
    scheduler = make_schedule(optimizer, Optim(momentum=momentum), 20)
    found = []
    for _ in range(20):
        found.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        scheduler.step()
    assert (min(found), max(found)) == pytest.approx(ends, abs=5e-3)


def test_no_momentum_stays_none() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.0)
    make_schedule(optimizer, Optim(momentum=0.0), 20)
    assert optimizer.param_groups[0]["momentum"] == 0
    for wrong in (-1.0, 1.0):
        with pytest.raises(UsageError, match=r"optim\.momentum"):
            replace(QUICK, optim=Optim(momentum=wrong)).check()


@pytest.mark.parametrize("step", ["plain", "lean"])
def test_a_batch_too_small_for_batch_norm_is_said_so(
    tmp_path: Path, step: Literal["plain", "lean"]
) -> None:
    run = replace(QUICK, data=replace(QUICK.data, batch=1), fit=replace(QUICK.fit, step=step))
    with pytest.raises(TrainingError, match=r"from 1 image at a time.*larger --data\.batch"):
        fit(run, tmp_path / "run", DIGITS, progress=False)


def test_lean_training_ends_where_plain_training_does(tmp_path: Path) -> None:
    run = replace(QUICK, model=Model(name="cnn7", width=0.1), fit=Fit(epochs=1, threads=1))
    fit(run, tmp_path / "plain", DIGITS, progress=False)
    fit(replace(run, fit=replace(run.fit, step="lean")), tmp_path / "lean", DIGITS, progress=False)
    plain, lean = (load_file(tmp_path / n / "model.safetensors") for n in ("plain", "lean"))
    assert_close(lean, plain, rtol=0.05, atol=0.02)


def test_a_row_teaches_and_is_kept(tmp_path: Path) -> None:
    run = replace(QUICK, teacher=Teacher(row="relu", epochs=1, share=0.5, start=True))
    result = train(run, tmp_path / "run", progress=False)
    assert result.rows[0].neuron == "fire"
    assert result.rows[0].epochs == QUICK.fit.epochs != 1
    assert read_result(tmp_path / "run-teacher").rows[0].epochs == 1
    taught_by = (tmp_path / "run-teacher" / "model.safetensors").stat().st_mtime_ns
    again = replace(run, seed=0, teacher=replace(run.teacher, share=0.9))
    train(again, tmp_path / "again", teacher=tmp_path / "run-teacher", progress=False)
    assert (tmp_path / "run-teacher" / "model.safetensors").stat().st_mtime_ns == taught_by


def test_every_seed_has_a_teacher_of_its_own(tmp_path: Path) -> None:
    for seed in (0, 1):
        train(replace(QUICK, seed=seed), tmp_path / f"seed{seed}", progress=False)
    own = replace(QUICK, seed=1, teacher=Teacher(folder=str(tmp_path / "seed{seed}")))
    taught_by = open_teacher(own, tmp_path, load_data(own).spec)
    assert taught_by is not None
    kept = load_file(tmp_path / "seed1" / "model.safetensors")
    assert all(torch.equal(value, kept[name]) for name, value in taught_by.state_dict().items())


def test_a_run_starts_at_one_and_is_taught_by_another(tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("second", 1)):
        train(replace(QUICK, seed=seed), tmp_path / name, progress=False)
    still = replace(QUICK.fit, epochs=1, start=str(tmp_path / "first"))
    run = replace(
        QUICK,
        fit=still,
        optim=replace(QUICK.optim, lr=1e-9, weight_decay=0.0),
        teacher=Teacher(folder=str(tmp_path / "second")),
    )
    train(run, tmp_path / "run", progress=False)
    begun, ended = (load_file(tmp_path / n / "model.safetensors") for n in ("first", "run"))
    weights = [name for name in begun if name.endswith("weight")]
    assert weights
    assert all(torch.allclose(ended[name], begun[name], atol=1e-5) for name in weights)
    with pytest.raises(UsageError, match=r"teacher\.start and fit\.start"):
        replace(run, teacher=replace(run.teacher, start=True)).check()
    with pytest.raises(RunFolderError, match="nowhere"):
        train(replace(run, fit=replace(still, start=str(tmp_path / "nowhere"))), tmp_path / "none")


def test_a_trained_step_is_taken_over_with_its_weights() -> None:
    model = Model(name="mlp", width=0.1, synapse="integer(bits=4)")
    teacher, network = (build_model(model, (1, 8, 8), 10) for _ in range(2))
    coarser = build_model(replace(model, synapse="integer(bits=2)"), (1, 8, 8), 10)
    for name, value in teacher.state_dict().items():
        if name.endswith("log_step"):
            value.add_(1.0)
    for student in (network, coarser):
        start_at(student, teacher)
    steps = {n: v for n, v in teacher.state_dict().items() if n.endswith("log_step")}
    assert steps
    assert all(torch.equal(network.state_dict()[n], v) for n, v in steps.items())
    hidden = "features.1.0.synapse.log_step"
    assert not torch.equal(coarser.state_dict()[hidden], steps[hidden])


def test_a_teachers_weights_are_the_start() -> None:
    teacher = build_model(Model(name="mlp", width=0.1, neuron="relu"), (1, 8, 8), 10)
    model = Model(name="mlp", width=0.1, synapse="integer(bits=4)")
    network = build_model(model, (1, 8, 8), 10)
    start_at(network, teacher)
    theirs = teacher.state_dict()
    own = network.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in theirs)
    scale = build_model(model, (1, 8, 8), 10)
    scale.load_state_dict(theirs, strict=False)
    assert any(not torch.equal(own[n], v) for n, v in scale.state_dict().items() if n not in theirs)


def test_a_teacher_that_cannot_teach_says_why(tmp_path: Path) -> None:
    wide = build_model(Model(name="mlp", width=0.2), (1, 8, 8), 10)
    narrow = build_model(Model(name="mlp", width=0.1), (1, 8, 8), 10)
    with pytest.raises(UsageError, match="the same architecture and width"):
        start_at(narrow, wide)
    with pytest.raises(UsageError, match="both name a teacher"):
        replace(QUICK, teacher=Teacher(row="relu", folder="runs/a")).check()
    with pytest.raises(UsageError, match=r"teacher\.epochs=3 .* --teacher.row relu"):
        replace(QUICK, teacher=Teacher(folder="runs/a", epochs=3)).check()
    with pytest.raises(UsageError, match=r"teacher\.epochs must be 1 or more"):
        replace(QUICK, teacher=Teacher(row="relu", epochs=0)).check()
    with pytest.raises(UsageError, match=r"fit\.precision=16 is not: pass --fit\.precision 32"):
        replace(QUICK, fit=Fit(step="events", precision="16")).check()
    with pytest.raises(UsageError, match=r"fit\.accumulate=3 equal parts"):
        replace(QUICK, fit=Fit(accumulate=3)).check()
    with pytest.raises(UsageError, match=r"teacher\.share .* got 1\.5"):
        replace(QUICK, teacher=Teacher(row="relu", share=1.5)).check()


def test_what_this_machine_lacks_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="fsdp shards over GPUs"):
            fit(replace(QUICK, fit=Fit(strategy="fsdp")), tmp_path, DIGITS)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler"):
        fit(replace(QUICK, fit=Fit(step="compiled")), tmp_path, DIGITS)
    monkeypatch.setattr("shutil.which", lambda name: name if name == "g++" else None)
    with pytest.raises(CompilerError, match="no C compiler found"):
        fit(replace(QUICK, fit=Fit(step="events")), tmp_path, DIGITS)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["nonexistent", "g++ -m64", ""])
def test_the_cplusplus_compiler_is_the_one_that_torch_will_take(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", name)
    with pytest.raises(UsageError, match=r"CXX=.*, which is to name one program.*--fit\.step lean"):
        fit(replace(QUICK, fit=Fit(step="compiled")), tmp_path, DIGITS)
    assert not any(tmp_path.iterdir())


def test_smoothing_that_would_do_nothing_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    run = replace(QUICK, optim=replace(QUICK.optim, loss="kernel(tau=2)", label_smoothing=0.1))
    with pytest.raises(UsageError, match=r"label_smoothing=0\.1 does nothing .* kernel\(tau=2\)"):
        fit(run, tmp_path / "run", DIGITS, progress=False)
    assert not (tmp_path / "run").exists()
