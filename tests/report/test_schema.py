"""result.json: what is read is what was written, and a wrong file is refused in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3nn.errors import RunFolderError
from s3nn.report import write_result
from s3nn.report.schema import Result, read_result


def test_round_trip(value: dict[str, Any]) -> None:
    result = Result.from_json(value)
    assert result.to_json() == value
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_read_result_knows_its_folder(folder: Path) -> None:
    assert read_result(folder).folder == str(folder)


def test_a_number_that_is_not_finite_becomes_null_only_in_curves(value: dict[str, Any]) -> None:
    value["rows"][0]["curves"]["train_loss"][0][3] = float("nan")
    result = Result.from_json(value)
    assert result.rows[0].curves.train_loss[0][3] is None
    value["rows"][0]["macs"] = float("nan")
    with pytest.raises(RunFolderError, match=r"rows\[0\].macs is nan, but should be a finite"):
        Result.from_json(value)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda v: v.pop("recipe"), "result lacks 'recipe'"),
        (lambda v: v.update(extra=1), "result has unknown 'extra'"),
        (lambda v: v["rows"][1]["accuracy"].pop("ci95"), r"rows\[1\].accuracy lacks 'ci95'"),
        (lambda v: v["rows"][2].update(steps="4"), r"rows\[2\].steps is '4', but .* an integer"),
        (lambda v: v["rows"][2].update(steps=True), r"rows\[2\].steps is True"),
        (lambda v: v.update(rows={}), "result.rows is {}, but should be a list"),
        (lambda v: v["host"].update(cpu=[1]), r"result.host.cpu is \[1\]"),
        (lambda v: v["rows"][1]["potentials"][0]["edges"].pop(), "one edge more than counts"),
        (lambda v: v["rows"][1]["confusion"][0].pop(), "not square"),
        (lambda v: v["rows"][1]["surrogate"]["u"].pop(), "as many of one as of the other"),
    ],
)
def test_a_wrong_file_is_refused(
    value: dict[str, Any], damage: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    damage(value)
    with pytest.raises(RunFolderError, match=sentence):
        Result.from_json(value)


def test_a_folder_without_a_result(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds no result.json: name a folder"):
        read_result(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(RunFolderError, match="cannot be read as JSON"):
        read_result(tmp_path)


def test_a_written_result_reads_back(result: Result, tmp_path: Path) -> None:
    path = write_result(tmp_path / "new", result)
    assert path.name == "result.json"
    assert read_result(path.parent) == result
    nan = replace(result, rows=(replace(result.rows[0], macs=float("nan")),))
    with pytest.raises(RunFolderError, match=r"rows\[0\].macs is None, but should be a finite"):
        write_result(tmp_path / "new", nan)
    assert read_result(path.parent) == result


def test_reading_a_result_loads_neither_torch_nor_matplotlib() -> None:
    code = "import sys, s3nn.report as r; r.read_result; r.merge; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "'torch'" not in loaded.stdout
    assert "'matplotlib'" not in loaded.stdout
