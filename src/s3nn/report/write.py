"""Writing reports into a folder, each file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from s3nn.report.details import Details, merge_details, read_details
from s3nn.report.html import page
from s3nn.report.merging import merge, new_names
from s3nn.report.schema import Result, read_result
from s3nn.report.text import markdown


def write_report(folder: Path) -> list[Path]:
    """Write report.md and report.html into ``folder``, from its result.json and details.npz.

    Both texts are made before the first is written: where making one fails, the folder keeps the
    files it had.
    """
    result = read_result(folder)
    return _write(Path(folder), result, read_details(folder, result.rows))


def write_merged_report(folders: Sequence[Path], into: Path) -> list[Path]:
    """Write one report.md and one report.html into ``into``, with the rows of several folders."""
    results = [read_result(folder) for folder in folders]
    merged = merge(results)
    details = [read_details(f, r.rows) for f, r in zip(folders, results, strict=True)]
    return _write(Path(into), merged, merge_details(details, new_names(results)))


def write_files(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write each text under its name, through a temporary file in the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    staged: list[tuple[Path, Path]] = []
    try:
        for name, text in texts.items():
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            staged.append((Path(temporary), folder / name))
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
        for source, target in staged:
            os.replace(source, target)
    finally:
        for source, _ in staged:
            source.unlink(missing_ok=True)
    return [target for _, target in staged]


def _write(folder: Path, result: Result, details: Details) -> list[Path]:
    texts = {"report.md": markdown(result), "report.html": page(result, details)}
    return write_files(folder, texts)
