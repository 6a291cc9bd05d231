"""How near one step comes to full precision on Fashion-MNIST, and what is left of it at few spikes.

    python benchmarks/accuracy.py                       results/accuracy-fashion/fashion_cnn7_half

dense    the ReLU and S3NN rows of a recipe (--rows s3nn: without the twin)
further  each of them for a few epochs more from its weights, distilled from what it was
sparse   the dense S3NN so many epochs further within a budget of spikes

Trained networks stay in runs/; what was cut off goes on when the command is repeated.
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
DENSE, FURTHER, SPARSE = "dense", "further", "sparse"


@dataclass(frozen=True)
class Flags:
    """Train a recipe's ReLU and S3NN rows, both further, and S3NN within a budget of spikes."""

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
    """Of the further training and of that within the budget."""
    lr: float = 0.02
    step: Literal["plain", "lean", "compiled", "events"] = "plain"
    """Of both, as of `s3nn train --fit.step`."""
    jobs: int = 1
    threads: int | None = 2
    out: Path = Path("results/accuracy-fashion")
    runs: Path = Path("runs")


def further(run: Run, flags: Flags, dense: Path) -> Run:
    """``run`` once more, from the weights of the network in ``dense`` that has its row and seed."""
    return replace(
        run,
        teacher=Teacher(folder=str(dense / "{row}" / "seed{seed}"), start=True),
        optim=replace(run.optim, lr=flags.lr),
        fit=replace(run.fit, epochs=flags.epochs, step=flags.step),
    )


def shows(results: Mapping[str, Result], flags: Flags) -> tuple[Show, ...]:
    """The bars, of every stage."""
    found = []
    for stage, after in (DENSE, ""), (FURTHER, f", {flags.epochs} epochs further"):
        accuracy = _row(results[stage], S3NN).accuracy.mean
        claim = f"s3nn reaches its test accuracy{after}"
        found.append(Show(claim, accuracy, flags.bar, accuracy >= flags.bar))
        if RELU in flags.rows:
            gap = 100 * (_row(results[stage], RELU).accuracy.mean - accuracy)
            claim = f"points that s3nn is under relu{after}"
            found.append(Show(claim, gap, flags.gap, gap <= flags.gap))
    few = _row(results[SPARSE], S3NN)
    rate = few.firing_rate
    assert rate is not None
    within = "firing rate on the test split, of s3nn within the budget"
    found.append(Show(within, rate, flags.firing_rate, rate <= flags.firing_rate))
    loss = 100 * (_row(results[DENSE], S3NN).accuracy.mean - few.accuracy.mean)
    return (*found, Show("points that the budget costs", loss, flags.loss, loss <= flags.loss))


def _row(result: Result, name: str) -> Row:
    return next(row for row in result.rows if row.name == name)


def main(flags: Flags) -> int:
    if S3NN not in flags.rows:
        raise SystemExit("this is about s3nn: name it among the --rows")
    recipe = find_recipe(flags.recipe)
    run = replace(recipe, fit=replace(recipe.fit, threads=flags.threads))
    runs = flags.runs / f"accuracy-{flags.recipe}"
    more = further(run, flags, runs / DENSE)
    less = replace(more, budget=Budget(firing_rate=flags.firing_rate))
    stages = {DENSE: (run, flags.rows), FURTHER: (more, flags.rows), SPARSE: (less, (S3NN,))}
    results = {
        name: compare(stage, rows, flags.seeds, runs / name, jobs=flags.jobs)
        for name, (stage, rows) in stages.items()
    }
    found = replace(
        merge(list(results.values())),
        command=f"python benchmarks/accuracy.py {' '.join(sys.argv[1:])}".strip(),
        shows=shows(results, flags),
    )
    out = flags.out / flags.recipe
    write_merged_report([runs / name for name in stages], out, found)
    write_result(out, found)
    for show in found.shows:
        print(f"{'holds' if show.holds else 'FAILS'}: {show.claim}: {show.value:.4g} ({show.bar})")
    return 0 if all(show.holds for show in found.shows) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
