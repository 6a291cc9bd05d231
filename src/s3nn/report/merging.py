"""Rows of several results on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from s3nn.errors import UsageError
from s3nn.report.schema import PriceList, Result, Scalar
from s3nn.report.scores import score_of

T = TypeVar("T")


def merge(results: Sequence[Result]) -> Result:
    """One result with the rows of all; rows of the same name get their folder's name.

    Results on other data, other splits or with another score are refused: they do not compare.
    """
    if not results:
        raise UsageError("nothing to merge: name at least one run folder")
    first = results[0]
    for other in results[1:]:
        a, b = first.data, other.data
        if (a.name, a.checksum, a.splits) != (b.name, b.checksum, b.splits):
            raise UsageError(
                f"{_called(other)} was measured on {b.name} ({b.checksum}) but {_called(first)} on "
                f"{a.name} ({a.checksum}): report them one by one"
            )
        ours, theirs = score_of(first).name, score_of(other).name
        if ours != theirs:
            raise UsageError(
                f"{_called(first)} is judged by its {ours} and {_called(other)} by its {theirs}: "
                "report them one by one"
            )
    if len(results) == 1:
        return first
    renamed = [_rename(r, names) for r, names in zip(results, new_names(results), strict=True)]
    return Result(
        command="\n".join(_unique(r.command for r in renamed)),
        recipe=", ".join(_unique(r.recipe for r in renamed)),
        data=first.data,
        seeds=tuple(sorted({seed for r in renamed for seed in r.seeds})),
        versions=_join([r.versions for r in renamed]),
        host=_join([r.host for r in renamed]),
        shows=tuple(_unique(show for r in renamed for show in r.shows)),
        failures=tuple(failure for r in renamed for failure in r.failures),
        rows=tuple(row for r in renamed for row in r.rows),
        price_lists=_prices(renamed),
    )


def new_names(results: Sequence[Result]) -> list[dict[str, str]]:
    """For each result, what ``merge`` calls each of its rows.

    Only a name that occurs twice is changed: to "name (folder)".
    """
    labels = folder_labels([r.folder for r in results])
    times = Counter(name for r in results for name in _row_names(r))
    return [
        {name: name if times[name] == 1 else f"{name} ({label})" for name in _row_names(r)}
        for r, label in zip(results, labels, strict=True)
    ]


def folder_labels(folders: Sequence[str]) -> list[str]:
    """The shortest ends of these paths that differ; runs are numbered where none do.

    >>> folder_labels(["out/a", "out/b"]), folder_labels(["x/run", "y/run"])
    (['a', 'b'], ['x/run', 'y/run'])
    >>> folder_labels(["", ""])
    ['run 1', 'run 2']
    """
    parts = [Path(folder).parts for folder in folders]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        labels = ["/".join(p[-depth:]) for p in parts]
        if len(set(labels)) == len(labels) and all(labels):
            return labels
    return [f"run {i + 1}" for i in range(len(folders))]


def _rename(result: Result, names: dict[str, str]) -> Result:
    return replace(
        result,
        rows=tuple(
            replace(row, name=names[row.name], seeds=result.seeds_of(row)) for row in result.rows
        ),
        failures=tuple(replace(f, row=names[f.row]) for f in result.failures),
    )


def _row_names(result: Result) -> list[str]:
    return _unique([row.name for row in result.rows] + [f.row for f in result.failures])


def _called(result: Result) -> str:
    return result.folder or result.command


def _prices(results: Sequence[Result]) -> dict[str, PriceList]:
    """The price lists of all, each name standing for one list."""
    found: dict[str, PriceList] = {}
    for result in results:
        for name, prices in result.price_lists.items():
            known = found.setdefault(name, prices).constants
            if any(prices.constants.get(key, value) != value for key, value in known.items()):
                raise UsageError(
                    f"{_called(result)} has other constants under the price list {name} than "
                    "the results before it: report them one by one"
                )
    return found


def _join(tables: Sequence[dict[str, Scalar]]) -> dict[str, Scalar]:
    """One table; where the tables differ, every value stands, in the order of the runs."""
    joined: dict[str, Scalar] = {}
    for key in _unique(key for table in tables for key in table):
        values = _unique(table.get(key) for table in tables)
        joined[key] = values[0] if len(values) == 1 else " / ".join(map(str, values))
    return joined


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
