"""The benchmarks run, small and with our own rows; those of other libraries are in tests/bench."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

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


def test_masks_with_few_labels(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "benchmarks" / "masked.py"), "--recipe", "digits_mlp"]
    command += ["--labels", "100", "--epochs", "2", "--seeds", "2", "--rows", "plain", "masked-two"]
    command += ["--out", str(out), "--runs", str(tmp_path / "runs")]
    texts = []
    for _ in range(2):  # the second time everything is read back
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr  # 1: a claim does not hold at this size
        texts.append((out / "result.json").read_text("utf-8"))
    assert texts[0] == texts[1]
    tree = json.loads(texts[0])
    assert tree["failures"] == []
    rows = {(row["name"], row["labels"]): row for row in tree["few_labels"]}
    assert rows.keys() == {("plain", 100), ("masked-two", 100)}
    assert rows["plain", 100]["weights_of_steps"] == [None, None]
    assert rows["masked-two", 100]["weights_of_steps"] == [[1.0] * 4] * 2, "the warm-up is 5 epochs"
    for gain in tree["gains"]:
        masked, plain = (
            rows[name, gain["labels"]]["accuracy"]["per_seed"] for name in ("masked-two", "plain")
        )
        pairs = [100 * (a - b) for a, b in zip(masked, plain, strict=True)]
        assert gain["per_seed"] == pairs
        assert abs(gain["mean"] - sum(pairs) / 2) < 1e-9
    lower = [gain["mean"] - gain["ci95"] for gain in tree["gains"]]
    assert [show["value"] for show in tree["shows"]] == lower
    assert [show["holds"] for show in tree["shows"]] == [value > 0 for value in lower]
    run = json.loads((tmp_path / "runs/100/masked-two/seed1/run.json").read_text("utf-8"))["run"]
    assert (run["seed"], run["data"]["labels"], run["fit"]["epochs"]) == (1, 100, 2)
    ElementTree.parse(out / "accuracy.svg")
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from tables import few_labels  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    table = few_labels(tree)
    assert "| masked-two | 4 | " in table
    assert "<!-- table: " in (out / "README.md").read_text("utf-8")


def test_spquant_beside_full_precision(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "spquant.py"), "--recipe", "digits_cnn"]
    command += ["--epochs", "1", "--width", "0.0625", "--steps", "2", "--no-progress"]
    command += ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    rows = {row["name"]: row for row in tree["rows"]}
    assert {name: (row["steps"], row["neuron"]) for name, row in rows.items()} == {
        "full-precision": (1, "relu"),
        "lif": (2, "lif(surrogate=triangle)"),
        "spquant": (2, "quantised_lif"),
        "spquant-gated": (2, "quantised_lif"),
        "one-step-int4-gated": (1, "fire"),
    }
    accuracy = {name: row["accuracy"]["mean"] for name, row in rows.items()}
    values = [show["value"] for show in tree["shows"]]
    assert values[0] == 100 * (accuracy["full-precision"] - accuracy["spquant"])
    assert values[3] == rows["spquant-gated"]["acs"] / rows["spquant"]["acs"]
    layers = [layer["operation"] for layer in rows["spquant-gated"]["layers"]]
    assert layers.count("mask") == 5
    report = (tmp_path / "out" / "report.md").read_text("utf-8")
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


def test_memory_over_time(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "memory.py"), "--width", "0.05"]
    command += ["--shape", "1", "8", "8", "--batch", "4", "--steps", "1", "2", "8"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert tree["gradients_apart"] < 1e-9
    one, two, eight = tree["windows"]
    assert one["whole_to_one_step"] == one["recomputed_to_one_step"] == 1
    assert eight["recomputed_bytes"] < 0.5 * eight["whole_bytes"]
    assert two["whole_bytes"] < eight["whole_bytes"]


def test_compiled_networks_are_exact(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "exact.py"), "--data", "digits"]
    command += ["--models", "mlp", "vgg11", "--bits", "4", "--images", "40"]
    command += ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tree = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    (row,) = tree["exact"]
    assert (row["model"], row["images"], row["logits_apart"]) == ("mlp", 40, 0)
    assert row["accuracy"] > 0.8
    assert [left["model"] for left in tree["left_out"]] == ["vgg11"]


def test_one_spike_a_neuron(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "benchmarks" / "sstdp.py"), "--epochs", "1"]
    command += ["--recipes", "digits_sstdp", "--seeds", "1", "--rows", "sstdp", "relu"]
    command += ["--images", "5", "--out", str(out), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((out / "result.json").read_text("utf-8"))
    assert [row["row"] for row in tree["races"]] == ["sstdp", "relu"]
    spiking, relu = tree["races"]
    assert spiking["macs"] == 0 < spiking["acs"]
    assert 0 < spiking["spikes_a_neuron"] <= 1 == spiking["most_spikes_a_neuron"]
    assert spiking["times_apart_in_steps"] < 0.01
    assert (relu["spikes"], relu["most_spikes_a_neuron"]) == (0, None)
    assert tree["shows"][0]["value"] == spiking["accuracy"]["mean"]
    assert "<!-- table: " in (out / "README.md").read_text("utf-8")
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from tables import races
    finally:
        sys.path.pop(0)
    assert "| digits | relu | 1 | 1 | " in races(tree)
