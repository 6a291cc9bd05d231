"""Rewrite the tables of README.md and docs/*.md from results/*/result.json.

A block between ``<!-- table: results/STUDY -->`` and ``<!-- end -->`` is the table of that study.
How it is written down is a file of docs/studies, called what only its result.json has at the top;
comparisons are written by docs/studies/rows.py.

    python docs/tables.py            rewrite
    python docs/tables.py --check    exit with 1 if a table is not what its file says
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))  # for studies, however this file is loaded
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("studies/[!_]*.py"))
NAMES.remove("rows")
BLOCK = re.compile(r"(<!-- table: (?P<study>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(study: str) -> str:
    tree = json.loads((ROOT / study / "result.json").read_text(encoding="utf-8"))
    name = next((name for name in NAMES if name in tree), "rows")
    body = import_module(f"studies.{name}").table(tree)
    return f"{body.strip()}\n\n`{tree['command']}`\n"


def rewritten(text: str) -> str:
    return BLOCK.sub(lambda m: f"{m[1]}{table(m['study'])}{m[3]}", text)


def main(check: bool) -> int:
    stale = []
    studies = sorted((ROOT / "results").rglob("README.md"))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *studies]:
        text = path.read_text(encoding="utf-8")
        fresh = rewritten(text)
        if fresh != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(fresh, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'is stale: run make docs' if check else 'rewritten'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
