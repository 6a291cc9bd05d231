"""The commands, from a recipe to a page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from s3nn.cli import main
from s3nn.recipes import find_recipe
from s3nn.registry import RECIPES
from s3nn.report import read_result

TINY = ["--model.name", "mlp", "--model.width", "0.1", "--fit.epochs", "3", "--fit.threads", "1"]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("comparison") / "all"
    rows = ["--rows", "relu", "s3nn", "s3nn-int4", "bnn", "lif-t2"]
    assert main(["compare", "digits_mlp", *TINY, "--seeds", "2", *rows, "--out", str(out)]) == 0
    return out


def test_every_recipe_is_right(tmp_path: Path) -> None:
    for name in RECIPES.names():
        run = find_recipe(name)
        assert run.recipe == name
        assert run.check() == type(run).from_json(json.loads(json.dumps(run.to_json())))


def test_the_comparison_says_everything(comparison: Path) -> None:
    result = json.loads((comparison / "result.json").read_text())
    assert {"command", "recipe", "data", "seeds", "versions", "host", "rows"} <= result.keys()
    assert [row["name"] for row in result["rows"]] == ["relu", "s3nn", "s3nn-int4", "bnn", "lif-t2"]
    wanted = {
        *("name", "neuron", "synapse", "steps", "accuracy", "firing_rate"),
        *("spikes_per_inference", "macs", "acs", "energy_pj", "parameters", "weight_bits"),
        *("train_s_per_epoch", "peak_mem_bytes"),
    }
    for row in result["rows"]:
        assert wanted <= row.keys()
        assert len(row["accuracy"]["per_seed"]) == 2
        assert len(row["energy_pj"]) >= 3
        assert row["peak_mem_bytes"] > 1e7
    rows = {row["name"]: row for row in result["rows"]}
    assert rows["relu"]["acs"] == 0
    assert rows["s3nn"]["acs"] > 0
    assert 0 < rows["s3nn"]["firing_rate"] < 1
    assert rows["s3nn"]["rivals"]
    assert rows["s3nn-int4"]["weight_bits"] < rows["s3nn"]["weight_bits"] / 3
    assert rows["s3nn"]["energy_pj"]["float32_45nm"] < rows["relu"]["energy_pj"]["float32_45nm"]
    assert (comparison / "report.html").is_file()
    assert (comparison / "report.md").is_file()


def test_a_repeated_comparison_trains_nothing(comparison: Path, tmp_path: Path) -> None:
    again = shutil.copytree(comparison, tmp_path / "again")
    weights = sorted(again.glob("*/seed*/model.safetensors"))
    before = [path.stat().st_mtime_ns for path in weights]
    words = ["compare", "digits_mlp", *TINY, "--seeds", "2", "--rows", "relu", "s3nn"]
    assert main([*words, "--out", str(again)]) == 0
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert [row.name for row in read_result(again).rows] == ["relu", "s3nn"]


def test_a_failing_row_does_not_lose_the_others(tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = out / "relu" / "seed0"
    bad.mkdir(parents=True)
    (bad / "notes.txt").write_text("not a run")
    words = ["compare", "digits_mlp", *TINY, "--seeds", "1", "--rows", "relu", "s3nn"]
    assert main([*words, "--out", str(out)]) == 1
    result = read_result(out)
    assert [row.name for row in result.rows] == ["s3nn"]
    assert [(f.row, f.seed) for f in result.failures] == [("relu", 0)]
    assert "is no run folder" in result.failures[0].error


def test_using_a_run(comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    run = comparison / "s3nn" / "seed0"
    assert main(["eval", str(run)]) == 0
    shown = capsys.readouterr().out
    accuracy = read_result(run).rows[0].accuracy.mean
    assert f"{100 * accuracy:.2f} % of 359 test images" in shown
    digit = tmp_path / "digit.png"
    Image.fromarray((load_digits().images[0] * 255 / 16).astype("uint8")).save(digit)
    assert main(["predict", str(run), str(digit)]) == 0
    assert "digit.png: " in capsys.readouterr().out
    assert main(["energy", str(run), "--rival", str(comparison / "relu" / "seed0")]) == 0
    shown = capsys.readouterr().out
    assert "float32_45nm" in shown
    assert "rival" in shown
    assert main(["lint", str(run)]) == 0
    assert "encode" in capsys.readouterr().out
    assert main(["report", str(run), str(comparison), "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page" / "report.html").is_file()


def test_run_json_replays_a_run(comparison: Path, tmp_path: Path) -> None:
    run = comparison / "s3nn" / "seed1"
    assert main(["train", str(run / "run.json"), "--out", str(tmp_path / "again")]) == 0
    weights = [(folder / "model.safetensors").read_bytes() for folder in (run, tmp_path / "again")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "kind", ["recipes", "models", "neurons", "surrogates", "synapses", "data", "rows"]
)
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind]) == 0
    assert capsys.readouterr().out.startswith(f"{kind}:\n  ")


def test_a_comparison_holds_its_claims_against_what_it_measured(comparison: Path) -> None:
    result = read_result(comparison)
    rows = {row.name: row for row in result.rows}
    claims = {show.claim: show for show in result.shows}
    under = claims["s3nn is at most 1.5 points under relu"]
    points = 100 * (rows["relu"].accuracy.mean - rows["s3nn"].accuracy.mean)
    assert (under.value, under.holds) == (pytest.approx(points), points <= 1.5)
    assert claims["s3nn is more accurate than bnn"].bar == rows["bnn"].accuracy.mean
