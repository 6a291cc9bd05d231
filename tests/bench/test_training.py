"""The benchmark of a training step, run small with every row that is installed.

Runs where the extra s3nn[bench] is installed (`make bench`).
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("spikingjelly.activation_based")
    import training  # type: ignore[import-not-found]
    from training_step.claims import LEAST_FASTER
    from training_step.rows import ROWS

CLAIM = {"claim", "value", "bar", "holds"}


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def measured(out: Path, name: str, **flags: Any) -> dict[str, Any]:
    small = {"width": 0.1, "shape": (1, 8, 8), "batch": 4, "rounds": 1, "warm_up": 1}
    assert training.main(training.Flags(out=out, **small | flags)) in (0, 1)
    tree: dict[str, Any] = json.loads((out / name / "result.json").read_text(encoding="utf-8"))
    return tree


@pytest.mark.parametrize(("precision", "name"), [("32", "cnn7"), ("bf16", "cnn7-bf16")])
def test_measures_every_row(precision: str, name: str, tmp_path: Path) -> None:
    tree = measured(tmp_path, name, precision=precision, threads=(1,))
    left_out = {row["name"] for row in tree["not_run"]}
    ran = [row for row in ROWS if row not in left_out]
    (section,) = tree["sections"]
    assert [row["name"] for row in section["rows"]] == ran
    assert all(row["median_ms"] > 0 and row["samples_per_s"] > 0 for row in section["rows"])
    assert [row["name"] for row in tree["memory"]] == ran
    assert all(0 < row["activation_bytes"] <= row["peak_bytes"] for row in tree["memory"])
    assert {p["row"] for p in tree["parity"]} == {*ran} - {"relu", "s3nn", "lif-t4"}
    assert all(show.keys() == CLAIM for show in tree["shows"])
    peers = [row for row in LEAST_FASTER if row in ran]
    assert len(tree["shows"]) == 2 + ("s3nn-events" in ran) * (2 + len(peers))
    ElementTree.parse(tmp_path / name / "step.svg")
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert all(f"| {row} |" in page for row in ran)
    assert all(f"- {row}: " in page for row in left_out)


def test_measurements_lie_side_by_side(tmp_path: Path) -> None:
    tree = measured(tmp_path, "cnn7", threads=(1, 2), rows=("relu", "s3nn"))
    assert [section["threads"] for section in tree["sections"]] == [1, 2]
    measured(tmp_path, "resnet18", model="resnet18", threads=(1,), rows=("relu",))
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page.index("## cnn7") < page.index("## resnet18")


def test_a_library_that_does_not_import_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "norse.torch", None)
    tree = measured(tmp_path, "cnn7", threads=(1,), rows=("relu", "norse-t1"))
    (left_out,) = tree["not_run"]
    assert left_out["name"] == "norse-t1"
    assert "pip install" in left_out["remedy"]
    assert [row["name"] for row in tree["memory"]] == ["relu"]
