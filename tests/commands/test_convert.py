"""s3nn convert, from a trained ReLU run to a run folder of spikes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from s3nn.cli import main
from s3nn.conversion import convert, run_by_steps
from s3nn.data.batches import normalise
from s3nn.experiment.convert import posed
from s3nn.experiment.trained import open_run
from s3nn.report import read_result

TINY = ["--model.width", "0.0625", "--fit.epochs", "4", "--fit.threads", "1"]
FLAGS = ["--steps", "8", "--percentile", "99", "--images", "300"]


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "relu"
    words = ["train", "digits_cnn", *TINY, "--model.neuron", "relu", "--out", str(folder)]
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def converted(parent: Path) -> Path:
    assert main(["convert", str(parent), *FLAGS, "--delay", "validation"]) == 0
    return parent.with_name("relu-iaf-t8")


def test_the_folder_is_a_run_of_the_converted_network(parent: Path, converted: Path) -> None:
    trained, relu = open_run(converted), open_run(parent)
    told = json.loads((converted / "conversion.json").read_text())
    after = told["after"]
    model = trained.run.model
    assert model.neuron == "iaf(precharge=0.5, pool=charge)"
    assert (model.steps, model.readout) == (8, f"delayed(after={after})")
    data = trained.data()
    drawn = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:300]
    images = normalise(data.train.images[drawn], relu.mean, relu.std)
    expected = convert(relu.network, images, steps=8, after=after, percentile=99)
    x = normalise(data.test.images[:20], relu.mean, relu.std)
    with torch.no_grad():
        assert torch.equal(trained.network(x), expected(x))


def test_what_it_says_is_what_the_network_does(parent: Path, converted: Path) -> None:
    trained = open_run(converted)
    data, told = trained.data(), json.loads((converted / "conversion.json").read_text())
    seen = run_by_steps(trained.network, posed(data.validation, trained, 8))  # type: ignore[arg-type]
    accuracy = seen.scores
    assert told["scores"] == accuracy[0].tolist()
    after = told["after"]
    assert told["delayed"][after:] == accuracy[after, after:].tolist()
    assert told["delayed"][:after] == [None] * after
    assert told["spikes"] == pytest.approx(seen.spikes.sum(0).tolist())
    assert told["parent"] == open_run(parent).score(data.validation)
    (row,) = read_result(converted).rows
    assert row.name == "iaf-t8"
    assert row.epochs == 0
    assert row.validation_accuracy.mean == told["delayed"][-1]
    assert row.accuracy.mean == trained.accuracy(data.test) > 0.5
    assert row.acs > 0
    pools = [layer for layer in row.layers if layer.operation == "charge_pool"]
    assert [layer.adds for layer in pools] == [8 * 1.25 * 4 * 64, 8 * 1.25 * 8 * 16, 8 * 1.25 * 64]
    assert all(
        layer.energy_pj["float32_memory_45nm"] > layer.energy_pj["float32_45nm"] for layer in pools
    )


def test_other_commands_read_it(converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("eval", "energy", "lint"):
        assert main([command, str(converted)]) == 0
    accuracy = read_result(converted).rows[0].accuracy.mean
    assert f"{100 * accuracy:.2f} % of 359 test images" in capsys.readouterr().out
    assert (converted / "report.html").is_file()


def test_a_conversion_is_read_back(
    parent: Path, converted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (converted / "model.safetensors").stat().st_mtime_ns
    assert main(["convert", str(parent), *FLAGS, "--delay", "validation"]) == 0
    assert "the ReLU network: " in capsys.readouterr().out
    assert (converted / "model.safetensors").stat().st_mtime_ns == before
    assert main(["convert", str(parent), *FLAGS, "--delay", "1"]) == 2
    assert "holds something else than this conversion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--steps", "1"], "needs 2 steps or more, got 1"),
        (["--precharge", "1.5"], "from 0 to below 1, got 1.5"),
        (["--precharge", "0.5", "0.2"], "2 pre-charges were given for 6 layers"),
        (["--steps", "4", "--delay", "4"], "of the 4 steps and not all, got after=4"),
        (["--steps", "4", "--delay", "depth"], "of the 4 steps and not all, got after=6"),
        (["--percentile", "0"], "a percentile is above 0 and at most 100, got 0"),
        (["--images", "0"], "thresholds need 1 training image or more, got images=0"),
    ],
)
def test_a_mistake(
    flags: list[str], says: str, parent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["convert", str(parent), *flags, "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_a_converted_run_is_not_trained(
    converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in (converted, converted / "run.json"):
        assert main(["train", str(run), "--out", str(tmp_path / "out")]) == 2
        assert "was converted and not trained" in capsys.readouterr().err
    assert main(["convert", str(converted), "--out", str(tmp_path / "out")]) == 2
    assert "converting a network in time" in capsys.readouterr().err


def test_an_autoencoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    relu, out = tmp_path / "relu", tmp_path / "out"
    words = ["train", "digits_autoencoder", "--fit.epochs", "6", "--fit.threads", "1"]
    assert main([*words, "--out", str(relu)]) == 0
    assert main(["convert", str(relu), "--steps", "16", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "PSNR on validation images" in shown
    assert "half a" in shown
    told = json.loads((out / "conversion.json").read_text())
    trained = open_run(out)
    data = trained.data()
    found = [told["scores"][-1], trained.score(data.validation)]
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    assert told["scores"][0] < told["scores"][3] < told["scores"][-1]
    assert told["parent"] - 1 < told["scores"][-1] < told["parent"] + 0.5
    (row,) = read_result(out).rows
    assert row.score.mean == pytest.approx(trained.score(data.test), abs=1e-3)
