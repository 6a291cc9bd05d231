"""The ablation on made-up numbers, and once on very little work."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ablation import Flags, main
from ablation_run import figure
from ablation_run.cells import GROUPS, SURROGATES, cells
from ablation_run.claims import shows
from ablation_run.measured import with_differences
from ablation_run.page import add_section
from s3nn.registry import SURROGATES as REGISTRY
from s3nn.registry import Spec
from s3nn.report import measure

ROOT = Path(__file__).resolve().parents[2]


def made_up(accuracies: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Rows of all cells: the given accuracies, 0.9 elsewhere; rates and seeds of no consequence."""
    rows = []
    for i, cell in enumerate(cells(GROUPS)):
        values = accuracies.get(cell.name, [0.9, 0.91, 0.92])
        measured = asdict(measure(values))
        rates = asdict(measure([0.1 + 0.01 * i] * len(values)))
        row = asdict(cell) | {"seeds": [*range(len(values))], "accuracy": measured}
        rows.append(row | {"validation_accuracy": measured, "firing_rate": rates})
    return with_differences(rows)


def test_every_cell_is_another_neuron_and_known() -> None:
    found = cells(GROUPS)
    assert len({Spec.parse(cell.neuron) for cell in found}) == len(found) == 8 + 11 + 2
    assert set(SURROGATES) <= set(REGISTRY.names())
    grid = [(cell.alpha, cell.beta) for cell in found if "grid" in cell.groups]
    assert sorted(grid) == [(a, b) for a in (3, 4, 5, 8) for b in (0.5, 1, 2)]
    assert [c.name for c in cells(["surrogates"], ["arctan", "s3"])] == ["s3", "arctan"]


def test_differences_are_paired_by_seed() -> None:
    rows = {row["name"]: row for row in made_up({"sigmoid": [0.91, 0.93, 0.92]})}
    over = rows["sigmoid"]["over_s3"]
    assert over["per_seed"] == pytest.approx((1, 2, 0))
    assert (over["mean"], over["ci95"]) == (pytest.approx(1), pytest.approx(2.484, abs=1e-3))
    assert rows["s3"]["over_s3"]["mean"] == 0


def test_claims_follow_the_numbers() -> None:
    rows = made_up(
        {
            "timing_only": [0.6, 0.61, 0.62],
            "arctan": [0.95, 0.961, 0.97],
            "s3-learned": [0.92, 0.93, 0.94],
            "s3-alpha8-beta2": [0.93, 0.94, 0.95],
        }
    )
    holds = {show["claim"].partition(":")[0]: show["holds"] for show in shows(rows)}
    assert holds["without its activation branch (timing_only) s3 is clearly less accurate"]
    assert not holds["without its timing branch (sigmoid) s3 is clearly less accurate"]
    assert holds["s3 is not clearly less accurate than rectangle"]
    assert not holds["s3 is not clearly less accurate than arctan"]
    assert holds["one learned threshold a layer makes s3 clearly more accurate"]
    assert not holds["one learned threshold a channel makes s3 clearly more accurate"]
    assert holds["s3 fires at most as often as sigmoid"]
    picked = next(claim for claim in holds if "which validation picks" in claim)
    assert picked.startswith("alpha=8, beta=2")
    assert not holds[picked]
    assert len(holds) == 2 + 5 + 2 + 1 + 1


def test_figures_name_every_cell() -> None:
    tree = {"what": "made up", "rows": made_up({})}
    drawn = figure.surrogates(tree)
    assert all(f">{name}<" in drawn for name in SURROGATES)
    maps = figure.grid(tree)
    assert maps.count("91.00") == 12
    assert "var(" not in drawn + maps


def test_the_page_keeps_what_was_written(tmp_path: Path) -> None:
    page, tree = tmp_path / "README.md", {"rows": made_up({})}
    add_section(page, "digits_cnn", tree)
    page.write_text(page.read_text() + "\nWords.\n")
    add_section(page, "digits_cnn", tree)
    add_section(page, "fashion", tree)
    text = page.read_text()
    assert [text.count(t) for t in ("## digits_cnn", "Words.", "## fashion")] == [1, 1, 1]
    assert text.count("<!-- table: ") == text.count("<!-- end -->") == 2


def test_a_small_ablation(tmp_path: Path) -> None:
    flags = Flags(
        recipe="digits_mlp",
        epochs=1,
        seeds=1,
        groups=("surrogates",),
        surrogates=("sigmoid",),
        out=tmp_path / "out",
        runs=tmp_path / "runs",
    )
    assert main(flags) in (0, 1)  # 1: a claim that does not hold at this size
    tree = json.loads((tmp_path / "out" / "digits_mlp" / "result.json").read_text("utf-8"))
    assert [row["name"] for row in tree["rows"]] == ["s3", "sigmoid"]
    assert tree["failures"] == []
    assert (tmp_path / "out" / "digits_mlp" / "surrogates.svg").is_file()
    text = tables().rewritten((tmp_path / "out" / "README.md").read_text("utf-8"))
    accuracy = tree["rows"][1]["accuracy"]["mean"]
    assert f"| sigmoid | {100 * accuracy:.2f} % |" in text
    assert tree["command"] in text


def tables() -> ModuleType:
    """docs/tables.py"""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
