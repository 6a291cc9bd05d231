"""Tables in the docs are what results/ says, and results/ says why it was measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_tables_are_fresh() -> None:
    check = [sys.executable, str(ROOT / "docs" / "tables.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_study_says_what_it_shows() -> None:
    studies = sorted((ROOT / "results").rglob("result.json"))
    assert studies
    for path in studies:
        tree = json.loads(path.read_text(encoding="utf-8"))
        assert tree["command"], path
        assert tree["shows"], path
        assert all({"claim", "value", "bar", "holds"} <= show.keys() for show in tree["shows"])
        assert any((above / "README.md").is_file() for above in list(path.parents)[:2]), path


def test_links_lead_somewhere() -> None:

    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_python_of_the_readme_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    exec(block[1], {})


def test_the_page_on_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert names["trained"].accuracy(names["test"]) == names["row"].accuracy.mean > 0.8


def test_the_commands_of_the_readme_exist() -> None:
    from s3nn.commands import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {*re.findall(r"^    s3nn (\w+)", text, re.MULTILINE)} == {*COMMANDS}


def test_the_runs_that_want_a_gpu_can_be_started() -> None:
    from s3nn.registry import RECIPES

    text = (ROOT / "benchmarks" / "GPU.md").read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in re.findall(r"^\| \d.*", text, re.M)]
    assert rows
    assert all(len(row) == 4 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    for _, command, minutes, decides in rows:
        assert int(minutes) > 0, command
        assert "`" not in decides, decides
        for script in re.findall(r"python (\S+\.py)", command):
            assert (ROOT / script).is_file(), script
        for recipe in re.findall(r"s3nn (?:train|compare) (\w+)", command):
            assert recipe in RECIPES.entries, recipe
