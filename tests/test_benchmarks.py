"""The benchmarks run, small and with our own rows; those of other libraries are in tests/bench."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--width", "0.05", "--shape", "1", "8", "8", "--batch", "4", "--rounds", "1"]


def test_a_training_step(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "training.py"), *SMALL]
    command += ["--threads", "1", "--warm-up", "1", "--device", "cpu", "--out", str(tmp_path)]
    command += ["--rows", "relu", "s3nn", "s3nn-lean", "lif-t4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "cnn7" / "result.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in tree["memory"]] == ["relu", "s3nn", "s3nn-lean", "lif-t4"]
    assert [parity["spikes_apart"] for parity in tree["parity"]] == [0]
    assert len(tree["shows"]) == 2
    assert tree["not_run"] == []
    assert (tmp_path / "cnn7" / "step.svg").is_file()
    assert "## cnn7" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_accuracy_within_a_budget(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "accuracy.py"), "--seeds", "1"]
    command += ["--recipe", "digits_mlp", "--epochs", "8", "--threads", "1", "--lr", "0.05"]
    command += ["--bar", "0.9", "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "out" / "digits_mlp" / "result.json").read_text("utf-8"))
    rows = {row["name"]: row for row in tree["rows"]}
    assert set(rows) == {"relu", "s3nn (dense)", "s3nn (sparse)"}
    assert rows["s3nn (sparse)"]["firing_rate"] < 0.7 * rows["s3nn (dense)"]["firing_rate"]
    values = [show["value"] for show in tree["shows"]]
    accuracy = {name: row["accuracy"]["mean"] for name, row in rows.items()}
    assert values[0] == accuracy["s3nn (dense)"]
    assert values[3] == 100 * (accuracy["s3nn (dense)"] - accuracy["s3nn (sparse)"])
    report = (tmp_path / "out" / "digits_mlp" / "report.md").read_text("utf-8")
    assert all(show["claim"] in report for show in tree["shows"])


def test_budgets_and_penalties(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "budget.py"), "--recipe", "digits_mlp"]
    command += ["--parts", "budgets", "penalties", "--budgets", "6.2e4", "--seeds", "1"]
    command += ["--penalties", "synaptic", "l1", "--strengths", "1", "--rows", "s3nn"]
    command += ["--epochs", "2", "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    assert [cell["penalty"] for cell in tree["penalties"]] == [None, "synaptic", "l1"]
    (held,) = tree["budgets"]
    assert held["share_of_budget"] == held["energy_pj"] / 6.2e4
    assert [show["claim"][:8] for show in tree["shows"]][:2] == ["the most", "the leas"]
    assert (tmp_path / "out" / "energy.svg").is_file()
