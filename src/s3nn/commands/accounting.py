"""energy, lint and report: what a run costs, and its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console, print_table
from s3nn.errors import UsageError
from s3nn.files import check_folder_place

RunFolder = Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True)
class EnergyFlags:
    """Operations and energy of one inference, layer by layer, under each price list."""

    run: RunFolder
    """A run folder."""
    rival: Path | None = None
    """The run folder of its ReLU twin, whose own zeros the integer rival then skips."""


@dataclass(frozen=True)
class LintFlags:
    """Every edge that stops being binary, why, and what the synapses behind it cost."""

    run: RunFolder
    """A run folder."""


@dataclass(frozen=True)
class ReportFlags:
    """Write report.md and report.html of one run, or of several on one page."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders that train or compare wrote."""
    out: Path | None = None
    """Where the page of several runs goes (default: runs/report)."""


def energy(words: list[str]) -> None:
    flags = parse(EnergyFlags, "energy", words)
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from s3nn.energy import PRICE_LISTS, integer_rivals, price
    from s3nn.energy.rivalry import check_twin
    from s3nn.experiment.train import read_counts
    from s3nn.report.units import count_text, energy_text, percent_text

    counts = read_counts(flags.run)
    relu = read_counts(flags.rival) if flags.rival is not None else None
    if relu is not None:
        check_twin(counts, relu)
    energies = {key: price(counts, prices) for key, prices in PRICE_LISTS.items()}
    title = f"{flags.run}: one inference, mean of {counts.samples} images"
    table = Table(title=title, box=box.SIMPLE, padding=(0, 0, 0, 1))
    for column in ("layer", "reads", "MACs", "ACs", "adds", "fires", *energies):
        left = column in ("layer", "reads")
        title = column.replace("_", "\n")
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    for number, layer in enumerate(counts.layers):
        parts = [e.layers[number].total_pj for e in energies.values()]
        if not any(parts):
            continue
        table.add_row(
            layer.name,
            layer.reads,
            *(count_text(n / counts.samples) for n in (layer.macs, layer.acs, layer.adds)),
            "" if layer.firing_rate is None else percent_text(layer.firing_rate),
            *map(energy_text, parts),
        )
    table.add_section()
    table.add_row(
        "all",
        "",
        *(count_text(n / counts.samples) for n in (counts.macs, counts.acs, counts.adds)),
        "" if counts.firing_rate is None else percent_text(counts.firing_rate),
        *(energy_text(e.total_pj) for e in energies.values()),
    )
    console = make_console()
    lists = [str(column.header) for column in table.columns[-len(energies) :]]
    print_table(console, table, ("adds", "reads", *reversed(lists[1:])))
    if counts.uncounted:
        console.print(f"not counted, since not known: {', '.join(counts.uncounted)}")
    for key, prices in PRICE_LISTS.items():
        source = (f"({prices.source})", "dim")
        console.print(Text.assemble((key, "bold"), f": {prices.summary} ", source))
    for rival in integer_rivals(counts, relu) if counts.firing_rate is not None else ():
        console.print(f"rival: {rival.name}")
        for key, energy_pj in rival.energy_pj.items():
            even = percent_text(rival.break_even_firing_rate[key])
            own = energy_text(rival.own_energy_pj[key])
            console.print(
                f"  {key}: {energy_text(energy_pj)} against {own} with as many bits; "
                f"spikes cost less below a firing rate of {even}"
            )


def lint(words: list[str]) -> None:
    flags = parse(LintFlags, "lint", words)
    from s3nn.report import read_result
    from s3nn.report.units import count_text, energy_text

    for row in read_result(flags.run).rows:
        avoidable = sum(not finding.unavoidable for finding in row.lint)
        print(f"{row.name}: {len(row.lint)} not binary, {avoidable} of them avoidable")
        for finding in row.lint:
            priced = [f"{energy_text(pj)} ({key})" for key, pj in finding.energy_pj.items()]
            print(f"  {finding.edge}: {finding.reason}")
            print(f"    {count_text(finding.macs)} MACs, {count_text(finding.adds)} additions")
            print(f"    {', '.join(priced)}")


def report(words: list[str]) -> None:
    flags = parse(ReportFlags, "report", words)
    if not flags.runs:
        raise UsageError("s3nn report needs at least one folder that train or compare wrote")
    from s3nn.report import write_merged_report, write_report

    if flags.out is not None:
        check_folder_place(flags.out)
    if len(flags.runs) == 1 and flags.out is None:
        paths = write_report(flags.runs[0])
    else:
        paths = write_merged_report(flags.runs, flags.out or Path("runs") / "report")
    for path in paths:
        print(path)
