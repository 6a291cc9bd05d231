"""report.md: the table, the claims, and what it takes to run it again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from s3nn.report import words
from s3nn.report.schema import Result
from s3nn.report.scores import score_of
from s3nn.report.table import columns
from s3nn.report.units import host_texts, scalar_text


def markdown(result: Result) -> str:
    """The whole report as markdown, ending in a newline."""
    parts = [
        f"# {escape(words.title(result))}",
        " ".join(escape(sentence) for sentence in words.summary(result)),
        comparison(result),
        f"{score_of(result).title} is the mean over seeds ± the half width of its Student-t 95 % "
        "interval; "
        "operations and energy are per inference; a share in brackets is of the full-precision "
        "twin's.",
        *_failures(result),
        *_shows(result),
        "## Run it again",
        f"```sh\n{result.command.replace('```', '')}\n```",
        _environment(result),
        "## Price lists",
        _table(
            ("price list", "what it prices", "constants", "source"),
            [
                (
                    name,
                    p.summary,
                    ", ".join(f"{k} = {scalar_text(v)}" for k, v in p.constants.items()),
                    p.source,
                )
                for name, p in result.price_lists.items()
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def comparison(result: Result) -> str:
    """The table of all rows, as markdown."""
    found = columns(result)
    lines = []
    for i in range(len(result.rows)):
        cells = [(column.cells[i], column.note(i)) for column in found]
        lines.append([f"{text} ({note})" if note else text for text, note in cells])
    return _table([c.title for c in found], lines, [c.numeric for c in found])


def escape(text: str) -> str:
    """Text that markdown takes as it stands, also inside a table.

    >>> escape("a|b <b> *x*")
    'a\\\\|b &lt;b&gt; \\\\*x\\\\*'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", text).replace("\n", " ")


def _failures(result: Result) -> list[str]:
    if not result.failures:
        return []
    lines = [(f.row, str(f.seed), f.error) for f in result.failures]
    return ["## Failures", _table(("row", "seed", "error"), lines)]


def _shows(result: Result) -> list[str]:
    if not result.shows:
        return []
    lines = [
        (s.claim, scalar_text(s.value), scalar_text(s.bar), "yes" if s.holds else "**no**")
        for s in result.shows
    ]
    return ["## What it shows", _table(("claim", "value", "bar", "holds"), lines)]


def _environment(result: Result) -> str:
    data = result.data
    splits = ", ".join(f"{name} {size:,}" for name, size in data.splits.items())
    lines = [
        ("data", f"{data.name} ({splits}); {data.source}; {data.licence}; {data.checksum}"),
        ("seeds", ", ".join(map(str, result.seeds))),
        ("versions", ", ".join(f"{k} {scalar_text(v)}" for k, v in result.versions.items())),
        ("host", ", ".join(map(" ".join, host_texts(result.host)))),
    ]
    return _table(("environment", ""), lines)


def _table(
    head: Sequence[str], lines: Sequence[Sequence[str]], numeric: Sequence[bool] = ()
) -> str:
    rule = ["---:" if i < len(numeric) and numeric[i] else "---" for i in range(len(head))]
    titles = [escape(title) for title in head]
    body = [[cell if cell == "**no**" else escape(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [titles, rule, *body])
