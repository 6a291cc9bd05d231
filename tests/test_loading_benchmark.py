"""The benchmark of the input pipelines runs, and writes what the tables are made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--small", "256", "--small-batch", "16", "--large", "16", "--large-batch", "2"]
SMALL += ["--side", "40", "--crop", "32", "--width", "0.05", "--workers", "0", "1"]
SMALL += ["--rounds", "1", "--steps", "1", "--threads", "1", "--device", "cpu"]


def test_the_pipelines_beside_their_steps(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    command = [sys.executable, str(ROOT / "benchmarks" / "loading.py"), *SMALL]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    names = ["memory", "step of cnn7", "stream, 0 workers", "stream, 1 worker"]
    assert [row["name"] for row in tree["rows"]] == [*names, "step of imagenet_resnet18"]
    assert all(row["samples_per_s"] > 0 for row in tree["rows"])
    assert len(tree["shows"]) == 2
    assert tree["versions"]["webdataset"]
    assert "| stream, 1 worker |" in (tmp_path / "README.md").read_text(encoding="utf-8")
