"""Reports into a folder, from what it measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from s3nn.files import write_texts
from s3nn.report.details import Details, merge_details, read_details
from s3nn.report.html import page
from s3nn.report.merging import merge, new_names
from s3nn.report.schema import Result, read_result
from s3nn.report.text import markdown

PAGES = ("report.md", "report.html")


def write_report(folder: Path) -> list[Path]:
    """Write report.md and report.html into ``folder``, from its result.json and details.npz.

    Both texts are made before the first is written: where making one fails, the folder keeps the
    files it had.
    """
    result = read_result(folder)
    return _write(Path(folder), result, read_details(folder, result.rows))


def write_merged_report(
    folders: Sequence[Path], into: Path, merged: Result | None = None
) -> list[Path]:
    """Write one report.md and one report.html into ``into``, with the rows of several folders.

    ``merged`` is what ``merge`` made of their results, where a study has claims of its own to say.
    """
    results = [read_result(folder) for folder in folders]
    merged = merge(results) if merged is None else merged
    details = [read_details(f, r.rows) for f, r in zip(folders, results, strict=True)]
    return _write(Path(into), merged, merge_details(details, new_names(results)))


def _write(folder: Path, result: Result, details: Details) -> list[Path]:
    texts = (markdown(result), page(result, details))
    return write_texts(folder, dict(zip(PAGES, texts, strict=True)))


def complete_report(folder: Path) -> None:
    """``write_report`` where a page is missing: what wrote result.json was killed behind it."""
    if not all((folder / page).is_file() for page in PAGES):
        write_report(folder)
