"""Tables on narrow terminals: whole numbers, fewer columns, and a word about the others."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from s3nn.commands.terminal import print_table
from s3nn.report import SPARE, Result, console_table


def printed(table: Table, width: int, spare: tuple[str, ...]) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table, spare)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def made() -> Table:
    table = Table(box=None)
    for header in ("layer", "reads\ntwice", "energy"):
        table.add_column(header, no_wrap=True)
    table.add_row("features.11.0", "spike", "1.04 mJ")
    return table


@pytest.mark.parametrize(("width", "gone"), [(80, ()), (27, ("reads twice",))])
def test_the_least_telling_columns_go_first(width: int, gone: tuple[str, ...]) -> None:
    text = printed(made(), width, ("reads\ntwice", "energy"))
    assert "features.11.0" in text
    assert "1.04 mJ" in text
    assert ("spike" in text) == (not gone)
    assert ("left out" in text) == bool(gone)
    if gone:
        assert " ".join(text.split()).endswith(f"terminal of {width} columns: {', '.join(gone)}")


def test_no_more_than_are_spare_go() -> None:
    assert "…" in printed(made(), 10, ("reads\ntwice",))


@pytest.mark.parametrize("width", [60, 80, 110])
def test_comparisons_are_not_cut_off(result: Result, width: int) -> None:
    text = printed(console_table(result), width, SPARE)
    assert "…" not in text
    for row in result.rows:
        assert row.name in text
