"""What is left of a network whose potentials are ternary, its weights 4-bit, its spikes gated.

    python benchmarks/spquant.py                        results/spquant

Five rows: full precision, leaky integrate-and-fire with real weights, SpQuant-SNN, the same behind
gates (from its weights, for half the epochs), and one step with 4-bit weights behind gates.  The
others are taught by the first and start at its weights.
Trained networks stay in runs/; what was cut off goes on when the command is repeated.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import tyro

from s3nn.config import Gates, Run, Teacher
from s3nn.experiment.combine import combine
from s3nn.experiment.train import read_counts, train
from s3nn.recipes import find_recipe
from s3nn.report import write_report, write_result
from s3nn.report.schema import Result, Row, Show

FULL, LIF, SPQUANT = "full-precision", "lif", "spquant"
GATED, ONE = "spquant-gated", "one-step-int4-gated"


@dataclass(frozen=True)
class Flags:
    """Train the five rows of a recipe and hold them against each other."""

    recipe: str = "fashion_spquant"
    seeds: int = 1
    steps: int = 4
    width: float | None = None
    """Of the network (default: the recipe's)."""
    epochs: int | None = None
    """Of every row (default: the recipe's); gated rows that start trained take half of them."""
    taught: float = 0.5
    """How much of the loss follows the full-precision network; see `--teacher.share`."""
    target: float = 0.5
    """The share of the spikes that gates let pass."""
    gap: float = 1.5
    """Points that spquant may be under full precision."""
    off: float = 2.0
    """Points that the share may be from its target."""
    threads: int = 1
    progress: bool = True
    out: Path = Path("results/spquant")
    runs: Path = Path("runs")


def plan(recipe: Run, flags: Flags, folder: Path) -> dict[str, Run]:
    """The run of every row, in the order they are trained."""
    epochs = flags.epochs or recipe.fit.epochs
    recipe = replace(recipe, fit=replace(recipe.fit, epochs=epochs, threads=flags.threads))
    recipe = recipe.with_model(width=flags.width or recipe.model.width, steps=flags.steps)
    spquant = recipe.with_model(neuron="quantised_lif", synapse="mean_scaled(bits=4)")
    gates = Gates(spatial=True, channel=True, target=flags.target)
    lif = recipe.with_model(neuron="lif(surrogate=triangle)", synapse="real")
    one = replace(spquant.with_model(neuron="fire", steps=1), gates=gates)
    full = Teacher(folder=str(folder / FULL / "seed{seed}"), share=flags.taught, start=True)
    trained = replace(full, folder=str(folder / SPQUANT / "seed{seed}"), share=0.0)
    fewer = replace(recipe.fit, epochs=max(1, epochs // 2))
    return {
        FULL: recipe.with_model(neuron="relu", synapse="real", steps=1),
        LIF: replace(lif, teacher=full),
        SPQUANT: replace(spquant, teacher=full),
        GATED: replace(spquant, gates=gates, teacher=trained, fit=fewer),
        ONE: replace(one, teacher=full),
    }


def behind_gates(folders: list[Path]) -> tuple[float, float]:
    """The least and the largest share of spikes that passed, of a row's runs; means over layers."""
    shares = [fmean(read_counts(folder).passed.values()) for folder in folders]
    return min(shares), max(shares)


def operations(row: Row) -> float:
    """MACs, accumulates and additions of an inference, those of gates included."""
    return row.macs + row.acs + row.adds


def shows(rows: dict[str, Row], folders: dict[str, list[Path]], flags: Flags) -> tuple[Show, ...]:
    gap = 100 * (rows[FULL].accuracy.mean - rows[SPQUANT].accuracy.mean)
    found = [Show("points that spquant is under full precision", gap, flags.gap, gap <= flags.gap)]
    for name in (GATED, ONE):
        off = 100 * max(abs(share - flags.target) for share in behind_gates(folders[name]))
        claim = f"points that the share of spikes behind gates is off its target: {name}"
        found.append(Show(claim, off, flags.off, off <= flags.off))
    accumulates = rows[GATED].acs / rows[SPQUANT].acs
    claim = "accumulates of spquant behind gates, of those without: no more than spikes that pass"
    found.append(Show(claim, accumulates, flags.target + 0.05, accumulates <= flags.target + 0.05))
    share = operations(rows[GATED]) / operations(rows[SPQUANT])
    found.append(Show("all operations, gates included, of those without", share, 1.0, share < 1))
    return tuple(found)


def main(flags: Flags) -> int:
    folder = flags.runs / f"spquant-{flags.recipe}"
    rows: dict[str, Row] = {}
    folders: dict[str, list[Path]] = {}
    results: list[Result] = []
    for name, run in plan(find_recipe(flags.recipe), flags, folder).items():
        folders[name] = [folder / name / f"seed{seed}" for seed in range(flags.seeds)]
        of_row = []
        for seed, place in enumerate(folders[name]):
            print(f"{name}, seed {seed}", file=sys.stderr)
            of_row.append(train(replace(run, seed=seed), place, progress=flags.progress))
        rows[name] = replace(combine([result.rows[0] for result in of_row]), name=name)
        results += of_row
    found = replace(
        results[0],
        command=f"python benchmarks/spquant.py {' '.join(sys.argv[1:])}".strip(),
        recipe=flags.recipe,
        seeds=tuple(range(flags.seeds)),
        shows=shows(rows, folders, flags),
        rows=tuple(rows.values()),
    )
    write_result(flags.out, found)
    write_report(flags.out)
    for show in found.shows:
        print(f"{'holds' if show.holds else 'FAILS'}: {show.claim}: {show.value:.4g} ({show.bar})")
    return 0 if all(show.holds for show in found.shows) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
