"""report.html: one page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from s3nn.report import gallery, sections, units, words
from s3nn.report.details import Details
from s3nn.report.palette import css_variables, looks
from s3nn.report.plates import plates, potential_panels
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of
from s3nn.report.table import cost_columns, leading_row, outcome_columns


def page(result: Result, details: Details | None = None) -> str:
    """The whole page; without ``details``, without pictures of images and spikes."""
    found = details or Details()
    outcome = outcome_columns(result)
    text: str = (
        _environment()
        .get_template("page.html.j2")
        .render(
            result=result,
            score=score_of(result),
            pictures=_by_row(result, lambda row: gallery.pictures(result, row, found)),
            title=words.title(result),
            summary=words.summary(result),
            leading=leading_row(result),
            key_figures=sections.key_figures(result),
            looks=looks(result),
            tables=[outcome, [outcome[0], *cost_columns(result)]],
            plates=plates(result),
            potentials=_by_row(result, lambda row: potential_panels(result, row)),
            spike_maps=_by_row(result, lambda row: gallery.spike_maps(result, row, found)),
            mistakes=_by_row(result, lambda row: _mistakes(result, row, found)),
            sheets=[s for s in (sections.rival_sheet(result), sections.lint_sheet(result)) if s],
            layers=_by_row(result, lambda row: sections.layer_sheet(result, row)),
            settings=sections.settings_sheets(result),
            prices=sections.price_sheet(result),
            light=Markup(css_variables(dark=False)),
            dark=Markup(css_variables(dark=True)),
            scalar=units.scalar_text,
            host=units.host_texts(result.host),
        )
    )
    return text


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tie"] = units.tied
    return environment


def _by_row(result: Result, show: Callable[[Row], Any]) -> list[tuple[Row, Any]]:
    """The rows with something to show, the leading one first, each with what it shows."""
    leading = leading_row(result)
    rows = sorted(result.rows, key=lambda row: row is not leading)
    shown = [(row, show(row)) for row in rows]
    return [(row, found) for row, found in shown if found]


def _mistakes(result: Result, row: Row, details: Details) -> dict[str, Any]:
    found = {
        "tiles": gallery.confused_tiles(result, row, details),
        "matrix": sections.confusion_cells(result, row),
        "pairs": sections.confused_pairs(result, row),
    }
    return found if any(found.values()) else {}
