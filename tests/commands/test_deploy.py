"""A run on chips: evaluated there, trained there, moved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from s3nn.cli import main
from s3nn.config import Chip, Fit, Run
from s3nn.errors import UsageError
from s3nn.experiment.trained import open_run
from s3nn.report import read_result

TINY = ["--model.width", "0.15", "--data.labels", "300", "--fit.threads", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips") / "ideal"
    words = ["train", "digits_chip", *TINY, "--fit.epochs", "6", "--out", str(folder)]
    assert main(words) == 0
    return folder


def percent(text: str) -> float:
    found = re.match(r"([\d.]+) % of \d+ test images", text)
    assert found is not None, text
    return float(found[1])


def test_weights_on_a_chip(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for flags in ([], ["--chip.seed", "3"], ["--chip.seed", "3"], ["--chip.seed", "4"]):
        harsh = [*flags, "--chip.mismatch", "0.5"] if flags else []
        assert main(["eval", str(run), *harsh]) == 0
        found.append(capsys.readouterr().out)
    assert "on chip 3" in found[1]
    assert found[1] == found[2] != found[3]
    assert percent(found[0]) > percent(found[1])


def test_deployed_in_the_loop_and_moved(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["deploy", str(run), "--chips", "1", "--epochs", "2", "--chip.mismatch", "0.4"]
    assert main(words) == 0
    text = capsys.readouterr().out
    (line,) = (line for line in text.splitlines() if re.match(r"\s*1 ", line))
    chip, ideal, deployed, looped, moved, _, other = line.split()
    assert (chip, other) == ("1", "2")
    assert float(ideal) > float(deployed)
    assert float(looped) > float(deployed)
    place = run.with_name("ideal-chip1")
    trained = open_run(place)
    assert trained.run.chip == Chip(seed=1, mismatch=0.4)
    accuracy = trained.accuracy(trained.data().test)
    assert f"{100 * accuracy:.2f}" == looped
    # The noise of an image follows from its place in a batch, and batches differ in size.
    assert read_result(place).rows[0].accuracy.mean == pytest.approx(accuracy, abs=0.02)
    elsewhere = open_run(place, Chip(seed=2, mismatch=0.4))
    assert f"{100 * elsewhere.accuracy(trained.data().test):.2f}" == moved


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--chips", "1", "1"], "chips are named by seeds, each once, got [1, 1]"),
        (["--chip.seed", "2"], "deploy takes the seeds of several chips, --chips 2"),
        (["--epochs", "-1"], "--epochs -1: 0 to train nothing"),
        (["--chip.bits", "16"], "chip.bits must be at most 15, got 16"),
        (["--chip.neurons", "40"], "layer 2 needs the neurons 37 to 46 of a chip that has 40"),
    ],
)
def test_deployments_that_cannot_be(
    run: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", str(run), *words]) == 2
    assert says in capsys.readouterr().err


def test_a_chip_and_what_it_cannot_be_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--compiled", "--chip.seed", "1"]) == 2
    assert "two machines: give one of them" in capsys.readouterr().err
    for fit in (Fit(window=1), Fit(step="lean")):
        with pytest.raises(UsageError, match="a chip runs all time steps at once"):
            Run(chip=Chip(seed=0), fit=fit).check()
