"""What cannot be right is said before anything is trained for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from s3nn.config import Data, Fit, Model, Optim, Penalty, Run, Teacher
from s3nn.data import DataSet, load
from s3nn.errors import RunFolderError, UnsupportedError, UsageError
from s3nn.experiment.train import train
from s3nn.training.asked import asked
from s3nn.training.batches import batches
from s3nn.training.build import start_at
from s3nn.training.fit import can_train, fit
from s3nn.training.processes import Processes

DIGITS = load("digits")
QUICK = Run(
    data=Data(name="digits", batch=64),
    model=Model(name="mlp", width=0.1),
    optim=Optim(lr=0.05),
    fit=Fit(epochs=1, threads=1),
)
IN_TIME = replace(QUICK.model, neuron="lif", steps=3)
ANTLR = Model(name="mlp(norm=False)", width=0.1, neuron="antlr", output="antlr", steps=3)


@pytest.mark.parametrize(
    ("model", "loss", "says"),
    [
        (QUICK.model, "latency", "loss latency is of spike times, which only the outputs antlr"),
        (replace(IN_TIME, output="lif"), "latency", "only the outputs antlr take"),
        (replace(ANTLR, output="antlr(answer=spikes)"), "latency", "only the outputs antlr take"),
        (ANTLR, "cross_entropy", r'pass --model.output "antlr\(answer=spikes\)"'),
    ],
)
def test_gradients_of_times_and_of_spikes_do_not_meet(model: Model, loss: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        can_train(replace(QUICK, model=model, optim=Optim(loss=loss)), DIGITS)


@pytest.mark.parametrize(("output", "loss"), [("times", "latency"), ("spikes", "cross_entropy")])
def test_gradients_of_one_kind_do(output: str, loss: str) -> None:
    model = replace(ANTLR, output=f"antlr(answer={output})")
    can_train(replace(QUICK, model=model, optim=Optim(loss=loss)), DIGITS)


def test_no_teacher_is_trained_for_what_cannot_be(tmp_path: Path) -> None:
    run = replace(
        QUICK,
        teacher=Teacher(row="relu"),
        penalty=Penalty(name="hoyer", strength=1e-5),
        fit=replace(QUICK.fit, step="lean"),
    )
    with pytest.raises(UnsupportedError, match="hoyer"):
        train(run, tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_teacher_knows_the_same_images(tmp_path: Path) -> None:
    for number in range(24):
        path = tmp_path / "images" / ("even", "odd")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number, 7, 255 - number)).save(path)
    data = Data(name=f"folder:{tmp_path / 'images'}", size=(8, 8), batch=2)
    train(replace(QUICK, data=data), tmp_path / "small", progress=False)
    teacher = Teacher(folder=str(tmp_path / "small"))
    taught = replace(QUICK, data=replace(data, size=(12, 12)), teacher=teacher)
    with pytest.raises(UsageError, match=r"knows images \(3, 8, 8\) .* trains on \(3, 12, 12\)"):
        train(taught, tmp_path / "run", progress=False)


def test_what_a_start_does_not_have_is_told() -> None:
    small, large = (nn.Sequential(nn.Linear(n, 4), nn.Linear(4, 2)) for n in (3, 5))
    assert start_at(large, small) == ["0.weight"]
    assert torch.equal(large[1].weight, small[1].weight)
    assert start_at(small, small) == []


def test_a_run_goes_on_with_the_images_that_it_began_with(tmp_path: Path) -> None:
    out = tmp_path / "run"
    fit(QUICK, out, DIGITS, progress=False)
    (out / "model.safetensors").rename(out / "last.ckpt")  # begun, and not ended
    other = DataSet(
        replace(DIGITS.spec, checksum="sha256:other"), DIGITS.train, DIGITS.validation, DIGITS.test
    )
    with pytest.raises(RunFolderError, match=r"begun on other images: .* that of digits"):
        fit(QUICK, out, other, progress=False)


@pytest.mark.parametrize("parts", [1, 8, 64])
def test_an_epoch_has_as_many_steps_in_parts(parts: int) -> None:
    run = replace(QUICK, data=replace(QUICK.data, batch=512), fit=Fit(accumulate=parts))
    task = asked(run, DIGITS)
    train_batches, _ = batches(run, DIGITS, task, Processes.here())
    assert len(train_batches) == len(DIGITS.train) // 512 * parts
    assert sum(len(y) for _, y in train_batches) == len(DIGITS.train) // 512 * 512


SCRIPT = """
from dataclasses import replace
import s3nn

run = s3nn.find_recipe("digits_mlp")
run = replace(run, fit=replace(run.fit, epochs=1, threads=1))
s3nn.compare(run, rows=("relu",), seeds=1, out="out", progress=False)
"""


def test_a_script_that_compares_at_its_top_level_is_told(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert 'call compare under if __name__ == "__main__":' in done.stderr
