"""TSSL-BP's fully connected network on Fashion-MNIST, trained as its authors do.

    python benchmarks/tssl.py

Their mean of five runs is 89.75 % with the best epoch picked on the test split; here the last 5,000
training images pick it.  Trained networks stay in runs/; what was cut off goes on when the command
is repeated.  Gradients are held against the authors' code by benchmarks/parents.py.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from s3nn.experiment.compare import compare
from s3nn.recipes import find_recipe
from s3nn.report import merge, write_merged_report, write_result
from s3nn.report.schema import Show

AUTHORS, GAP = 0.8975, 0.5


@dataclass(frozen=True)
class Flags:
    """Train the recipe fashion_tssl and compare with what its authors report."""

    seeds: int = 1
    epochs: int | None = None
    """Of every training (default: the recipe's, which are the authors')."""
    threads: int = 1
    jobs: int = 1
    out: Path = Path("results/tssl")
    runs: Path = Path("runs")


def main(flags: Flags) -> int:
    run = find_recipe("fashion_tssl")
    fit = replace(run.fit, threads=flags.threads, epochs=flags.epochs or run.fit.epochs)
    place = flags.runs / "tssl"
    row = f"timing-t{run.model.steps}"
    found = compare(replace(run, fit=fit), [row], flags.seeds, place, jobs=flags.jobs)
    accuracy = found.rows[0].accuracy.mean
    under = 100 * (AUTHORS - accuracy)
    show = Show("points under the authors' mean of 89.75 %", under, GAP, under <= GAP)
    found = replace(
        merge([found]),
        command=f"python benchmarks/tssl.py {' '.join(sys.argv[1:])}".strip(),
        shows=(show,),
    )
    write_merged_report([place], flags.out, found)
    write_result(flags.out, found)
    print(f"{'holds' if show.holds else 'FAILS'}: {show.claim}: {show.value:.3g} ({show.bar})")
    return 0 if show.holds else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
