"""The page of the study: a section a recipe, whose table docs/tables.py keeps up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s3nn.files import write_text

HEAD = """# What the surrogate gradient is worth

One network, one recipe, the same seeds: only what the backward pass multiplies by changes, or the
threshold. Every cell has the same number of epochs and the same learning rates, chosen for s3; no
teacher. The epoch is picked on validation, accuracy and firing rate are of the test images, with
95 % intervals over the seeds; differences are paired by seed.
"""


def add_section(page: Path, name: str, tree: dict[str, Any]) -> None:
    """Give ``page`` a section for ``name`` if it has none; what was written there is kept."""
    text = page.read_text(encoding="utf-8") if page.is_file() else HEAD
    if f"\n## {name}\n" in text:
        return
    groups = {group for row in tree["rows"] for group in row["groups"]}
    figures = [
        f"![{alt}]({name}/{file}.svg)"
        for file, alt in (
            ("surrogates", "Accuracy against firing rate of every surrogate"),
            ("grid", "Accuracy and firing rate of every alpha and beta"),
        )
        if file in groups
    ]
    table = f"<!-- table: {(page.parent / name).as_posix()} -->\n<!-- end -->"
    write_text(page, "\n\n".join([text.rstrip(), f"## {name}", table, *figures]) + "\n")
