"""Reports: what result.json says, as markdown, as a page, and as a table in the terminal.

    write_report(folder)                 report.md and report.html beside result.json
    write_merged_report(folders, into)   the rows of several runs on one page
    console_table(result)                the short table, for rich

Names are imported when they are first asked for: reading a result loads no matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3nn.report.console import SPARE, console_table
    from s3nn.report.html import page
    from s3nn.report.interval import measure
    from s3nn.report.merging import merge
    from s3nn.report.schema import Result, Row, read_result, write_result
    from s3nn.report.text import markdown
    from s3nn.report.write import complete_report, write_merged_report, write_report

__all__ = [
    "SPARE",
    "Result",
    "Row",
    "complete_report",
    "console_table",
    "markdown",
    "measure",
    "merge",
    "page",
    "read_result",
    "write_merged_report",
    "write_report",
    "write_result",
]

_HOME = {
    "Result": "schema",
    "Row": "schema",
    "complete_report": "write",
    "SPARE": "console",
    "console_table": "console",
    "markdown": "text",
    "measure": "interval",
    "merge": "merging",
    "page": "html",
    "read_result": "schema",
    "write_merged_report": "write",
    "write_report": "write",
    "write_result": "schema",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
