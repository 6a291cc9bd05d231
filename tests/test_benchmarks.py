"""The benchmarks run, small and with our own rows; those of other libraries are in tests/bench."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--width", "0.05", "--shape", "1", "8", "8", "--batch", "4", "--rounds", "1"]


def written(kind: str, tree: dict[str, Any]) -> str:
    """The table of a result, as docs/tables.py writes it."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        table: str = import_module(f"studies.{kind}").table(tree)
    finally:
        sys.path.pop(0)
    return table


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
    stages = ("s3nn (dense)", "s3nn (further)", "s3nn (sparse)")
    assert set(rows) == {"relu (dense)", "relu (further)", *stages}
    assert rows["s3nn (sparse)"]["firing_rate"] < 0.7 * rows["s3nn (dense)"]["firing_rate"]
    values = [show["value"] for show in tree["shows"]]
    accuracy = {name: row["accuracy"]["mean"] for name, row in rows.items()}
    assert values[0] == accuracy["s3nn (dense)"]
    gap = accuracy["relu (further)"] - accuracy["s3nn (further)"]
    assert values[2:4] == [accuracy["s3nn (further)"], 100 * gap]
    assert values[5] == 100 * (accuracy["s3nn (dense)"] - accuracy["s3nn (sparse)"])
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
    table = written("few_labels", tree)
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


def test_analog_chips(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "chip.py"), "--recipe", "digits_chip"]
    command += ["--single", "None", "--epochs", "3", "--labels", "200"]
    command += ["--loop-epochs", "1", "--chips", "0", "1", "--sweep-chips", "1"]
    command += ["--sweep-epochs", "0", "--mismatch", "0.15", "--bits", "2", "6", "--dead"]
    command += ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    names = ["ideal", "deployed", "longer", "in the loop", "moved"]
    assert [(row["network"], row["name"]) for row in tree["on_chips"]] == [
        ("lif", name) for name in names
    ]
    ideal, deployed, *_ = (row["accuracy"]["mean"] for row in tree["on_chips"][:5])
    assert ideal > 0.3
    assert tree["shows"][0]["value"] == 100 * ideal - 100 * deployed
    assert [(p["what"], p["value"]) for p in tree["sweeps"]] == [
        *(("mismatch", 0.15), ("bits", 2), ("bits", 6)),
    ]
    usual = tree["sweeps"][0]
    assert usual["deployed"]["per_seed"] == tree["on_chips"][1]["accuracy"]["per_seed"][:1]
    assert usual["deployed"] == tree["sweeps"][2]["deployed"]  # six bits are as usual
    known = json.loads((tmp_path / "runs" / "lif" / "accuracies.json").read_text("utf-8"))
    assert known["ideal"] == ideal
    for name in ("accuracy.svg", "sweeps.svg", "README.md"):
        assert (tmp_path / "out" / name).is_file()


def test_rules_beside_back_propagation(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "benchmarks" / "brp.py"), "--recipe", "digits_mlp"]
    command += ["--epochs", "1", "--width", "0.05", "--images", "128", "--seeds", "1"]
    command += ["--no-progress"]
    command += ["--out", str(out), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((out / "result.json").read_text("utf-8"))
    accuracy = {row["name"]: row["accuracy"]["mean"] for row in tree["rows"]}
    assert [*accuracy] == [
        *("backprop", "brp", "feedback-alignment", "direct-feedback", "last-layer"),
    ]
    gain, gap = (show["value"] for show in tree["shows"])
    assert gain == pytest.approx(100 * (accuracy["brp"] - accuracy["last-layer"]))
    assert gap == pytest.approx(100 * (accuracy["backprop"] - accuracy["brp"]))
    first = json.loads((out / "first-layer" / "result.json").read_text("utf-8"))
    layers = {row["name"]: row["accuracy"]["mean"] for row in first["rows"]}
    assert [*layers] == ["stdp", "random", "trained"]
    assert layers["trained"] == accuracy["backprop"], "one training, two tables"
    assert (out / "README.md").is_file()


def test_denoising_with_spikes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "benchmarks" / "spiden.py"), "--width", "0.05"]
    command += ["--model", "dncnn(depth=3)", "--rows", "relu", "if-t1", "if-t4"]
    command += ["--sigmas", "25", "--epochs", "1", "1", "1", "--no-progress", "--patches", "64"]
    command += ["--out", str(out), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((out / "result.json").read_text("utf-8"))
    rows = {(row["name"], row["sigma"]): row for row in tree["denoising"]}
    relu, spiking = rows["relu", 25.0], rows["if-t4", 25.0]
    # 20 log10(255 / 25) = 20.17, and a little more for what is clipped.
    assert 20.1 < relu["noisy_psnr_db"] == spiking["noisy_psnr_db"] < 20.8
    # Behind the first layer of the spiking network there is nothing to multiply.
    assert spiking["macs_a_pixel"] == pytest.approx(9 * 3, rel=0.02)
    assert relu["macs_a_pixel"] == pytest.approx(9 * (3 + 9 + 3), rel=0.02)
    assert [show["value"] for show in tree["shows"]][:2] == [
        relu["psnr_db"] - spiking["psnr_db"],
        spiking["psnr_db"] - spiking["noisy_psnr_db"],
    ]
    (stop,) = [stop for stop in tree["stops"] if stop["prices"] == tree["prices"]]
    energies = {
        row["steps"]: row["energy_pj_a_pixel"][tree["prices"]]
        for row in (rows["if-t1", 25.0], spiking)
    }
    slope = (energies[4] - energies[1]) / 3
    limit = relu["energy_pj_a_pixel"][tree["prices"]]
    assert stop["steps"] == pytest.approx(1 + (limit - energies[1]) / slope)
    assert (out / "pictures.png").is_file()
    assert "![PSNR" in (out / "README.md").read_text("utf-8")


def test_conversion_by_steps(tmp_path: Path) -> None:
    out, runs = tmp_path / "out", tmp_path / "runs"
    command = [sys.executable, str(ROOT / "benchmarks" / "conversion.py"), "--recipe", "digits_mlp"]
    command += ["--epochs", "2", "--seeds", "1", "--steps", "8", "--at", "2", "8", "--counted"]
    command += [
        "40",
        "--autoencoder",
        "digits_autoencoder",
        "--parents",
        "relu",
        "autoencoder",
        "--out",
        str(out),
        "--runs",
        str(runs),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim does not hold at this size
    tree = json.loads((out / "result.json").read_text("utf-8"))
    rows = {(row["parent"], row["precharge"], row["delayed"]): row for row in tree["conversion"]}
    assert {*rows} == {*product(("relu", "autoencoder"), (0.0, 0.5), (False, True))}
    for (parent, *_), row in rows.items():
        assert [a["mean"] for a in row["scores_at"]] == [row["scores"][1], row["scores"][7]]
        least = tree["lines"][parent]["score"] - (0.5 if parent == "autoencoder" else 0.01)
        near = [t for t in range(1, 9) if all(a >= least for a in row["scores"][t - 1 :])]
        assert row["near"] == [min(near, default=9)]
        assert row["spikes_near"] == [row["spikes"][min(near, default=8) - 1]]
        energies = row["energy_pj"]["float32_45nm"]
        assert 0 < energies[0] < energies[1]
    shown = [(show["value"], show["bar"]) for show in tree["shows"][::2]]
    nears = {key: row["near"][0] for key, row in rows.items()}
    assert shown == [
        (nears[parent, 0.5, late], nears[parent, 0.0, late])
        for parent, late in product(("relu", "autoencoder"), (False, True))
    ]
    ElementTree.parse(out / "steps.svg")
    assert "| relu, pre-charged | all steps | " in written("conversion", tree)
    assert "<!-- table: " in (out / "README.md").read_text("utf-8")


def test_exported_networks_arrive(tmp_path: Path) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package)
    command = [sys.executable, str(ROOT / "benchmarks" / "conformance.py"), "--epochs", "2"]
    command += ["--recipe", "digits_mlp", "--run", "None", "--images", "20", "--no-everything"]
    command += ["--tools", "onnxruntime", "--python", f"onnxruntime={sys.executable}"]
    command += ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: real numbers may be a spike apart
    text = (tmp_path / "out" / "result.json").read_text("utf-8")
    tree = json.loads(text)
    assert sys.executable not in tree["command"]
    rows = {(row["form"], row["file"], row["tool"]): row for row in tree["conformance"]}
    assert {("real", "onnx", "onnxruntime"), ("integer", "onnx", "onnxruntime")} == {*rows}
    assert rows["integer", "onnx", "onnxruntime"]["logit_error"] == 0
    assert rows["integer", "onnx", "onnxruntime"]["images"] == 359
    assert all(show["holds"] for show in tree["shows"] if "integer" in show["claim"])


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
    assert "| digits | relu | 1 | 1 | " in written("races", tree)
