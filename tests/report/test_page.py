"""The page: complete, self-contained, well formed, safe, and written whole or not at all."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s3nn.errors import RunFolderError
from s3nn.files import write_texts
from s3nn.report import write
from s3nn.report.details import Details
from s3nn.report.html import page
from s3nn.report.schema import Data, Failure, Result
from s3nn.report.sections import settings_sheets
from s3nn.report.table import columns
from s3nn.report.write import write_report

VOID = {"meta", "img", "br", "link", "hr", "input"}
LOADS = {"src", "href", "srcset", "poster", "action", "data"}


class Checker(HTMLParser):
    """Collects the mistakes of a page: unbalanced tags, doubled ids, resources, bare images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.mistakes: list[str] = []
        self.ids: set[str] = set()
        self.pointers: set[str] = set()
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        self.mistakes += [f"<{tag}> is left open" for tag in self.open]
        self.mistakes += [f"nothing is called {name}" for name in self.pointers - self.ids]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> closes nothing at {self.getpos()}")

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if (name := found.get("id")) is not None:
            if name in self.ids:
                self.mistakes.append(f"two elements are called {name}")
            self.ids.add(name)
        if tag in ("img", "svg") and not (
            found.get("alt") or found.get("aria-label") or found.get("aria-hidden")
        ):
            self.mistakes.append(f"<{tag}> without words at {self.getpos()}")
        self.pointers |= set((found.get("aria-labelledby") or "").split())
        for key in LOADS & set(found):
            value = found[key] or ""
            if value.startswith("#"):
                self.pointers.add(value[1:])
            elif not value.startswith("data:image/png;base64,"):
                self.mistakes.append(f"{tag} {key}={value} is outside the page")


@pytest.fixture(scope="module")
def written(study: Path) -> tuple[str, str]:
    """report.md and report.html of the synthetic comparison."""
    markdown, html = write_report(study)
    return markdown.read_text(), html.read_text()


def test_page_is_well_formed_and_self_contained(written: tuple[str, str]) -> None:
    _, html = written
    checked = Checker(html)
    assert checked.mistakes == []
    assert "script" not in checked.tags
    assert "link" not in checked.tags
    assert not re.search(r"url\((?!#)|@import", html)
    headings = [int(tag[1]) for tag in checked.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert max(np.diff(headings)) <= 1


def test_every_number_of_the_table_is_in_both_reports(
    written: tuple[str, str], study: Path
) -> None:
    result = Result.from_json(json.loads((study / "result.json").read_text()))
    markdown, html = (unescape(text) for text in written)
    for column in columns(result):
        for i, cell in enumerate(column.cells):
            assert f">{cell}<" in html or f">{cell} <small>" in html or f"{cell}</span>" in html
            assert cell in markdown
            assert f"<small>{column.note(i)}</small>" in html or not column.note(i)


def test_page_shows_claims_pictures_and_both_grounds(written: tuple[str, str]) -> None:
    _, html = written
    assert "does not hold" in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert "image-rendering: pixelated" in html
    assert html.count("data:image/png") > 100
    assert "digit 0\n→ digit 3" in html


def test_without_details_the_page_has_no_pictures_but_all_else(small: Result) -> None:
    html = page(small)
    assert Checker(html).mistakes == []
    assert "data:image" not in html
    assert "digit 0\n→ digit 3" in html
    assert "What the spikes look like" not in html


def test_a_single_seed_has_no_interval(one_seed: Result) -> None:
    html = page(one_seed)
    assert Checker(html).mistakes == []
    table = html[html.index('id="table"') : html.index('id="trade"')]
    assert " ± " not in table.replace("seeds ± half", "")
    assert "one seed, so without an interval" in html


def test_failures_are_printed(small: Result) -> None:
    failed = replace(small, failures=(Failure("lif-t4", 2, "loss is not finite at step 120"),))
    html = page(failed)
    assert Checker(html).mistakes == []
    assert "loss is not finite at step 120" in html
    nothing = page(replace(failed, rows=(), shows=()))
    assert Checker(nothing).mistakes == []
    assert "loss is not finite at step 120" in nothing


def test_names_are_escaped(small: Result) -> None:
    bad = "<b>'\"&</b><script>alert(1)</script>"
    data: Data = replace(small.data, classes=(bad, *small.data.classes[1:]), name=bad)
    row = replace(small.rows[1], name=bad, neuron=bad, settings={bad: bad})
    evil = replace(small, data=data, rows=(row,), recipe=bad, command=bad)
    html = page(evil)
    checked = Checker(html)
    assert checked.mistakes == []
    assert "script" not in checked.tags
    assert "b" not in checked.tags
    assert "&lt;b&gt;" in html


def test_rows_of_an_older_version_lack_settings(small: Result) -> None:
    """What one row says and another does not is nothing in the other; None is nothing too."""
    old, new = small.rows[0], small.rows[1]
    rows = (old, replace(new, settings=new.settings | {"budget": None, "ramp": 0.5}))
    sheets = {sheet.title: sheet for sheet in settings_sheets(replace(small, rows=rows))}
    differing, shared = sheets["Settings that differ"], sheets["Settings that all rows share"]
    assert any(line[0] == "ramp" for line in differing.lines)
    assert any(line[0] == "budget" for line in shared.lines)


def test_many_classes_give_pairs_in_place_of_a_matrix(small: Result) -> None:
    confusion = tuple(tuple(int(i == j) + (i + 1 == j) * i for j in range(30)) for i in range(30))
    row = replace(small.rows[1], confusion=confusion, layers=(), potentials=())
    html = page(replace(small, rows=(row,)))
    assert "Confusion matrix" not in html
    assert "Mistaken most" in html


def test_colour_images_and_missing_labels_are_fine(small: Result) -> None:
    row = replace(small.rows[1], layers=(), potentials=())
    pictures = np.zeros((10, 3, 8, 8), np.uint8)
    html = page(replace(small, rows=(row,)), Details(confused={row.name: pictures}))
    assert html.count("data:image/png") == 10


def test_damaged_details_are_refused(folder: Path) -> None:
    np.savez(folder / "details.npz", images=np.zeros((2, 1, 4, 4)))
    with pytest.raises(RunFolderError, match=r"images is float64 \(2, 1, 4, 4\), but should be"):
        write_report(folder)
    (folder / "details.npz").write_bytes(b"not a zip")
    with pytest.raises(RunFolderError, match="cannot be read as arrays"):
        write_report(folder)


def test_a_report_that_fails_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "report.md").write_text("old")
    before = sorted(path.name for path in folder.iterdir())

    def broken(*_: Any) -> str:
        raise RuntimeError("no figure")

    monkeypatch.setattr(write, "page", broken)
    with pytest.raises(RuntimeError, match="no figure"):
        write_report(folder)
    assert (folder / "report.md").read_text() == "old"
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_texts(tmp_path, {"a.txt": "new", "b.txt": "\ud800"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
