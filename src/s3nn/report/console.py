"""The table of a comparison for a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from s3nn.report import units, words
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of
from s3nn.report.table import energy_share, leading_row, price_lists

# Columns that a narrow terminal does without, the first one first.
SPARE = ("s/epoch", "spikes", "weights", "MACs", "of twin", "ACs")


def console_table(result: Result) -> Table:
    """The columns that decide: the score, firing rate, operations, energy, size and time.

    Energy is by the first price list; the report has them all.
    """
    price_list, score = next(iter(price_lists(result)), None), score_of(result)
    table = Table(
        title=Text(words.title(result)), box=box.SIMPLE, pad_edge=False, padding=(0, 0, 0, 1)
    )
    table.add_column("row", overflow="ellipsis", no_wrap=True)
    for title in ("T", f"{score.name} {score.unit}", "fires", "spikes", "MACs", "ACs"):
        table.add_column(title, justify="right", no_wrap=True)
    if price_list is not None:
        table.add_column("energy", justify="right", no_wrap=True)
        table.caption = f"energy by {price_list}"
        table.add_column("of twin", justify="right", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("s/epoch", justify="right", no_wrap=True)
    for row in result.rows:
        style = "bold" if row is leading_row(result) else ""
        table.add_row(*_cells(result, row, price_list), style=style)
    for failure in result.failures:
        table.add_row(Text(failure.row), "", Text(f"seed {failure.seed}"), "failed", style="red")
    return table


def _cells(result: Result, row: Row, price_list: str | None) -> list[str | Text]:
    score = score_of(result)
    energy: list[str | Text] = []
    if price_list is not None:
        share = energy_share(result, row, price_list)
        energy = [
            units.energy_text(row.energy_pj.get(price_list)),
            "" if share is None else units.percent_text(share),
        ]
    return [
        Text(row.name),
        str(row.steps),
        score.text(row.score).removesuffix(f" {score.unit}"),
        units.percent_text(row.firing_rate),
        units.count_text(row.spikes_per_inference if row.spikes else None),
        units.count_text(row.macs),
        units.count_text(row.acs),
        *energy,
        units.bytes_text(row.weight_bits / 8),
        f"{row.train_s_per_epoch:.3g}",
    ]
