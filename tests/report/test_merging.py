"""Rows of several runs on one page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3nn.errors import UsageError
from s3nn.report.details import read_details
from s3nn.report.merging import merge, new_names
from s3nn.report.schema import Failure, Result
from s3nn.report.write import write_merged_report


def test_rows_of_the_same_name_get_their_folders_name(result: Result) -> None:
    one = replace(result, folder="runs/a", rows=result.rows[:2], seeds=(0,))
    two = replace(result, folder="runs/b", rows=result.rows[1:3], seeds=(4,))
    two = replace(two, failures=(Failure("s3nn", 9, "broke"),))
    merged = merge([one, two])
    assert [row.name for row in merged.rows] == ["relu", "s3nn (a)", "s3nn (b)", "s3nn-int4"]
    assert merged.failures == (Failure("s3nn (b)", 9, "broke"),)
    assert merged.seeds == (0, 4)
    assert Result.from_json(merged.to_json()) == merged


def test_what_differs_between_machines_stands_side_by_side(result: Result) -> None:
    other = replace(result, host={**result.host, "cpu": "Cortex-M7"}, command="s3nn train x")
    merged = merge([result, other])
    assert merged.host["cpu"] == "AMD EPYC 7B13 / Cortex-M7"
    assert merged.host["cores"] == 16
    assert merged.command == f"{result.command}\ns3nn train x"


def test_other_data_are_refused(result: Result) -> None:
    other = replace(result, data=replace(result.data, checksum="sha256:00"))
    with pytest.raises(UsageError, match="report them one by one"):
        merge([result, other])
    with pytest.raises(UsageError, match="at least one run folder"):
        merge([])


def test_one_result_stays_as_it_is(result: Result) -> None:
    assert merge([result]) is result
    assert new_names([result]) == [{row.name: row.name for row in result.rows}]


def test_merged_page_keeps_the_spikes_of_each_row(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    value = json.loads((folder / "result.json").read_text())
    value["rows"] = value["rows"][1:2]
    value["rows"][0]["potentials"] = []
    value["price_lists"] = {}
    for each in (folder, other):
        (each / "result.json").write_text(json.dumps(value))
    (other / "details.npz").write_bytes((folder / "details.npz").read_bytes())
    written = write_merged_report([folder, other], tmp_path / "merged")
    text = written[1].read_text()
    assert "Spikes of s3nn (study), layer by layer" in text
    assert "Spikes of s3nn (other), layer by layer" in text


def test_details_of_unknown_rows_are_left(folder: Path, result: Result) -> None:
    details: Any = read_details(folder, result.rows[:2])
    assert set(details.spikes) == {"s3nn"}
    assert [layer.layer for layer in details.spikes["s3nn"]] == [f"fire{i}" for i in range(1, 6)]


def test_a_row_keeps_the_seeds_behind_it(result: Result) -> None:
    one = replace(result, rows=result.rows[:1], seeds=(2, 0, 1), folder="a")
    two = replace(result, rows=(replace(result.rows[1], seeds=(0, 1, 2)),), folder="b")
    assert [row.seeds for row in merge([one, two]).rows] == [(2, 0, 1), (0, 1, 2)]


def test_other_prices_under_the_same_name_are_refused(result: Result) -> None:
    name, prices = next(iter(result.price_lists.items()))
    dearer = replace(prices, constants={**prices.constants, "mac_pj": 99.0})
    other = replace(result, price_lists={**result.price_lists, name: dearer})
    with pytest.raises(UsageError, match="other constants under the price list 45nm float32"):
        merge([result, other])
