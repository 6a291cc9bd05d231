"""The smaller tables of the page, as headings and lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from s3nn.report import units
from s3nn.report.gallery import class_name
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of
from s3nn.report.table import energy_share, leading_row, price_lists, reference_row

MOST_CLASSES = 20
MOST_PAIRS = 12


@dataclass(frozen=True)
class Sheet:
    """A table: its heading, its columns' titles, and its lines; the first ``words`` are text."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    words: int = 1
    anchor: str = ""
    caption: str = ""


@dataclass(frozen=True)
class KeyFigure:
    """A number to see first."""

    value: str
    meaning: str


def key_figures(result: Result) -> list[KeyFigure]:
    """Score, energy, firing rate and size of the leading row."""
    row = leading_row(result)
    if row is None:
        return []
    score = score_of(result)
    found = [KeyFigure(score.text(row.score), f"test {score.name} of {row.name}")]
    twin = reference_row(result)
    for name in price_lists(result)[:1]:
        share = energy_share(result, row, name)
        if share is not None and twin is not None:
            found.append(KeyFigure(units.percent_text(share), f"of {twin.name}'s energy, {name}"))
        elif name in row.energy_pj:
            energy = units.energy_text(row.energy_pj[name])
            found.append(KeyFigure(energy, f"per inference, {name}"))
    if row.firing_rate is not None:
        steps = "one time step" if row.steps == 1 else f"each of {row.steps} time steps"
        found.append(KeyFigure(units.percent_text(row.firing_rate), f"of neurons fire in {steps}"))
    size = units.bytes_text(row.weight_bits / 8)
    count = units.count_text(row.parameters)
    found.append(KeyFigure(size, f"of weights, {count} parameters"))
    return found


def layer_sheet(result: Result, row: Row) -> Sheet | None:
    """Operations and energy of every layer of one row."""
    if not row.layers:
        return None
    names = price_lists(result)
    head = ("layer", "operation", "input → output", "fires", "MACs", "ACs", "adds", "updates")
    lines = [
        (
            layer.name,
            layer.operation,
            f"{layer.input_edge} → {layer.output_edge}",
            units.percent_text(layer.firing_rate),
            units.count_text(layer.macs),
            units.count_text(layer.acs),
            units.count_text(layer.adds),
            units.count_text(layer.neuron_updates),
            *[units.energy_text(layer.energy_pj.get(name)) for name in names],
        )
        for layer in row.layers
    ]
    return Sheet(row.name, (*head, *names), tuple(lines), words=3)


def lint_sheet(result: Result) -> Sheet | None:
    """Every edge that is not binary, for the rows that spike; equal lines are drawn together."""
    names = price_lists(result)
    rows_of: dict[tuple[str, ...], list[str]] = {}
    for row in result.rows:
        for lint in row.lint if row.spikes else ():
            energies = [units.energy_text(lint.energy_pj.get(name)) for name in names]
            operations = (units.count_text(lint.macs), units.count_text(lint.adds))
            line = (lint.edge, lint.reason, *operations, *energies)
            rows_of.setdefault(line, []).append(row.name)
    if not rows_of:
        return None
    return Sheet(
        "Where an edge is not binary",
        ("row", "edge", "why", "MACs", "adds", *names),
        tuple((", ".join(rows), *line) for line, rows in rows_of.items()),
        words=3,
        anchor="lint",
        caption="Behind these edges a layer has to multiply; this is what it costs per inference.",
    )


def rival_sheet(result: Result) -> Sheet | None:
    """Each spiking row against the same architecture without spikes."""
    lines = []
    for row in result.rows:
        for rival in row.rivals:
            for name, theirs in rival.energy_pj.items():
                ours, even = rival.own_energy_pj[name], rival.break_even_firing_rate[name]
                lines.append(
                    (
                        *(row.name, rival.name, name),
                        *(units.energy_text(ours), units.energy_text(theirs), _ratio(ours, theirs)),
                        *(units.percent_text(row.firing_rate), units.percent_text(even)),
                    )
                )
    if not lines:
        return None
    return Sheet(
        "Against the honest rival",
        ("row", "rival", "prices", "row costs", "rival costs", "ratio", "fires", "break-even"),
        tuple(lines),
        words=3,
        anchor="rivals",
        caption="The same architecture without spikes, at as many bits. Below 1 × spikes win. Were "
        "the row to fire at the break-even rate, both would cost the same; 0 % is never, 100 % is "
        "always.",
    )


def settings_sheets(result: Result) -> list[Sheet]:
    """The resolved settings: those that differ between rows, and those that all rows share."""
    rows = result.rows
    keys = list(dict.fromkeys(key for row in rows for key in row.settings))
    shared = [k for k in keys if len({repr(row.settings.get(k)) for row in rows}) == 1]
    differing = [key for key in keys if key not in shared]
    found = []
    if differing:
        lines = [(k, *[_setting(row.settings.get(k)) for row in rows]) for k in differing]
        head = ("setting", *[row.name for row in rows])
        found.append(Sheet("Settings that differ", head, tuple(lines), words=len(head)))
    if shared:
        lines = [(key, _setting(rows[0].settings.get(key))) for key in shared]
        title = "Settings that all rows share" if len(rows) > 1 else "Settings"
        found.append(Sheet(title, ("setting", "value"), tuple(lines), words=2))
    return found


def price_sheet(result: Result) -> Sheet:
    """What each price list prices, its constants, and where they come from."""
    lines = [
        (
            name,
            prices.summary,
            ", ".join(f"{k} = {units.scalar_text(v)}" for k, v in prices.constants.items()),
            prices.source,
        )
        for name, prices in result.price_lists.items()
    ]
    head = ("price list", "what it prices", "constants", "source")
    return Sheet("Price lists", head, tuple(lines), words=4)


def confusion_cells(result: Result, row: Row) -> list[tuple[str, list[tuple[int, int]]]]:
    """Each class's name with its counts and their tint in percent; empty for many classes.

    The tint is of mistakes alone, full for the count of the pair mistaken most.
    """
    if not 0 < len(row.confusion) <= MOST_CLASSES:
        return []
    wrong = [
        [0 if label == predicted else count for predicted, count in enumerate(counts)]
        for label, counts in enumerate(row.confusion)
    ]
    most = max(max(counts) for counts in wrong) or 1
    tints = [[round(100 * count / most) for count in counts] for counts in wrong]
    return [
        (class_name(result, label), list(zip(counts, tints[label], strict=True)))
        for label, counts in enumerate(row.confusion)
    ]


def confused_pairs(result: Result, row: Row) -> Sheet | None:
    """The pairs of classes mistaken most, in place of a confusion matrix too large to read."""
    if len(row.confusion) <= MOST_CLASSES:
        return None
    pairs = [
        (count, label, predicted)
        for label, counts in enumerate(row.confusion)
        for predicted, count in enumerate(counts)
        if label != predicted and count
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    lines = [
        (class_name(result, label), class_name(result, predicted), str(count))
        for count, label, predicted in pairs[:MOST_PAIRS]
    ]
    return Sheet("Mistaken most", ("class", "taken for", "images"), tuple(lines), words=2)


def _ratio(ours: float | None, theirs: float | None) -> str:
    return units.NONE if ours is None or not theirs else f"{ours / theirs:.2f} ×"


def _setting(value: Any) -> str:
    return units.scalar_text(value) if not isinstance(value, list | dict) else repr(value)
