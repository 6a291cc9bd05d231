"""Files of a run folder, each written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from s3nn.report.schema import Result


def write_result(folder: Path, result: Result) -> Path:
    """Write ``folder``/result.json, after reading it back: what is written can be reported."""
    value = result.to_json()
    Result.from_json(value)
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return write_files(Path(folder), {"result.json": f"{text}\n"})[0]


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
