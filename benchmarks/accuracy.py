"""How near one step comes to full precision on Fashion-MNIST, and what is left of it at few spikes.

    python benchmarks/accuracy.py                       results/accuracy-fashion/fashion_cnn7_half

The ReLU and S3NN rows of a recipe are compared (--rows s3nn: without the twin).  Then each network
goes on from its weights for a few epochs, distilled from what it was: S3NN within a budget of
spikes, ReLU as it is.  Trained networks stay in runs/; what was cut off goes on when the command is
repeated.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from s3nn.config import Budget, Run, Teacher
from s3nn.experiment.compare import compare
from s3nn.recipes import find_recipe
from s3nn.report import merge, write_merged_report, write_result
from s3nn.report.schema import Result, Row, Show

RELU, S3NN = "relu", "s3nn"
FURTHER = {RELU: "further", S3NN: "sparse"}
"""The folders of the further training."""


@dataclass(frozen=True)
class Flags:
    """Train a recipe's ReLU and S3NN rows, then both further, S3NN within a budget of spikes."""

    recipe: str = "fashion_cnn7_half"
    rows: tuple[Literal["relu", "s3nn"], ...] = (RELU, S3NN)
    seeds: int = 3
    bar: float = 0.935
    """Test accuracy that S3NN is to reach."""
    gap: float = 0.3
    """Points that S3NN may be under ReLU."""
    firing_rate: float = 0.05
    loss: float = 0.5
    """Points that the budget may cost."""
    epochs: int = 6
    """Of the further training."""
    lr: float = 0.02
    step: Literal["plain", "lean", "compiled", "events"] = "plain"
    """Of the same training, as of `s3nn train --fit.step`."""
    jobs: int = 1
    threads: int | None = 2
    out: Path = Path("results/accuracy-fashion")
    runs: Path = Path("runs")


def further(run: Run, row: str, flags: Flags, dense: Path) -> Run:
    """``run`` once more, from the weights of ``row`` in ``dense`` with the same seed."""
    return replace(
        run,
        teacher=Teacher(folder=str(dense / row / "seed{seed}"), start=True),
        budget=Budget(firing_rate=flags.firing_rate),
        optim=replace(run.optim, lr=flags.lr),
        fit=replace(run.fit, epochs=flags.epochs, step=flags.step),
    )


def shows(dense: Result, more: Mapping[str, Result], flags: Flags) -> tuple[Show, ...]:
    """The bars, of the recipe itself and of what the further epochs make of it."""
    few = _row(more[S3NN], S3NN)
    found = []
    for when, relu, s3nn in (
        ("", dense, dense),
        (f" after {flags.epochs} epochs more", more.get(RELU), more[S3NN]),
    ):
        accuracy = _row(s3nn, S3NN).accuracy.mean
        claim = f"s3nn reaches its test accuracy{when}"
        found.append(Show(claim, accuracy, flags.bar, accuracy >= flags.bar))
        if RELU in flags.rows and relu is not None:
            gap = 100 * (_row(relu, RELU).accuracy.mean - accuracy)
            claim = f"points that s3nn is under relu{when}{when and ' of both'}"
            found.append(Show(claim, gap, flags.gap, gap <= flags.gap))
    rate = few.firing_rate
    assert rate is not None
    within = "firing rate on the test split, of s3nn within the budget"
    found.append(Show(within, rate, flags.firing_rate, rate <= flags.firing_rate))
    loss = 100 * (_row(dense, S3NN).accuracy.mean - few.accuracy.mean)
    return (*found, Show("points that the budget costs", loss, flags.loss, loss <= flags.loss))


def _row(result: Result, name: str) -> Row:
    return next(row for row in result.rows if row.name == name)


def main(flags: Flags) -> int:
    if S3NN not in flags.rows:
        raise SystemExit("this is about s3nn: name it among the --rows")
    recipe = find_recipe(flags.recipe)
    run = replace(recipe, fit=replace(recipe.fit, threads=flags.threads))
    runs = flags.runs / f"accuracy-{flags.recipe}"
    places = {row: runs / stage for row, stage in FURTHER.items() if row in flags.rows}
    dense = compare(run, flags.rows, flags.seeds, runs / "dense", jobs=flags.jobs)
    more = {
        row: compare(
            further(run, row, flags, runs / "dense"), [row], flags.seeds, place, jobs=flags.jobs
        )
        for row, place in places.items()
    }
    found = replace(
        merge([dense, *more.values()]),
        command=f"python benchmarks/accuracy.py {' '.join(sys.argv[1:])}".strip(),
        shows=shows(dense, more, flags),
    )
    out = flags.out / flags.recipe
    write_merged_report([runs / "dense", *places.values()], out, found)
    write_result(out, found)
    for show in found.shows:
        print(f"{'holds' if show.holds else 'FAILS'}: {show.claim}: {show.value:.4g} ({show.bar})")
    return 0 if all(show.holds for show in found.shows) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
