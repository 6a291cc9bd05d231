"""Rules in the place of back-propagation, and a first layer that learns by STDP.

    python benchmarks/brp.py            results/brp and results/brp/first-layer

results/brp: the same network trained by back-propagation, reward propagation, feedback alignment,
direct feedback alignment, and by its read-out alone.  results/brp/first-layer: the rest of it
trained on top of a first layer that learned by STDP, of a random one, and of one that is trained
along.  Trained networks stay in runs/; what was cut off goes on when the command is repeated.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import tyro

from brp_run.page import page
from s3nn.config import Run
from s3nn.experiment.combine import combine
from s3nn.experiment.train import train
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report import write_report, write_result
from s3nn.report.schema import Result, Row, Show

# The learning rate of brp and last-layer is the better of 3e-3 and 1e-2 on validation images.
RULES = {
    "backprop": ("backprop", 3e-3),
    "brp": ("brp", 1e-2),
    "feedback-alignment": ("feedback_alignment", 3e-3),
    "direct-feedback": ("direct_feedback_alignment", 3e-3),
    "last-layer": ("last_layer", 1e-2),
}
FIRST = {
    "stdp": ("stdp", 3e-3),
    "random": ("stdp(images=0)", 3e-3),
    "trained": ("backprop", 3e-3),
}
PLACES = {"trained": "backprop"}  # one training, two tables
POINTS = 2.0


@dataclass(frozen=True)
class Flags:
    """Train a network by every rule and every seed, and hold the rules against each other."""

    recipe: str = "fashion_brp"
    seeds: int = 3
    epochs: int | None = None
    """Of every row (default: the recipe's)."""
    width: float | None = None
    """Of the network (default: the recipe's)."""
    images: int = 20000
    """That stdp is shown."""
    threads: int = 1
    progress: bool = True
    out: Path = Path("results/brp")
    runs: Path = Path("runs")


def plan(flags: Flags, rules: Mapping[str, tuple[str, float]]) -> dict[str, Run]:
    """The run of every row but for its seed."""
    recipe = find_recipe(flags.recipe)
    epochs, width = flags.epochs or recipe.fit.epochs, flags.width or recipe.model.width
    shown = {"stdp": f"stdp(images={flags.images})"}
    recipe = replace(recipe, fit=replace(recipe.fit, epochs=epochs, threads=flags.threads))
    return {
        name: replace(
            recipe.with_model(width=width),
            optim=replace(recipe.optim, rule=shown.get(rule, rule), lr=lr),
        )
        for name, (rule, lr) in rules.items()
    }


def trained(flags: Flags, rules: Mapping[str, tuple[str, float]]) -> tuple[Result, dict[str, Row]]:
    """The rows over all seeds, and a result that they belong to."""
    rows: dict[str, Row] = {}
    for name, run in plan(flags, rules).items():
        of_row = []
        for seed in range(flags.seeds):
            print(f"{name}, seed {seed}", file=sys.stderr)
            place = flags.runs / f"brp-{flags.recipe}" / PLACES.get(name, name) / f"seed{seed}"
            result = train(replace(run, seed=seed), place, progress=flags.progress)
            of_row.append(result.rows[0])
        rows[name] = replace(combine(of_row), name=name)
    found = replace(
        result,
        command=f"python benchmarks/brp.py {' '.join(sys.argv[1:])}".strip(),
        recipe=flags.recipe,
        seeds=tuple(range(flags.seeds)),
        rows=tuple(rows.values()),
    )
    return found, rows


def over(row: Row, other: Row) -> float:
    """Points of test accuracy that ``row`` is over ``other``, the mean over their seeds."""
    pairs = zip(row.accuracy.per_seed, other.accuracy.per_seed, strict=True)
    return 100 * fmean(a - b for a, b in pairs)


def of_rules(rows: dict[str, Row]) -> tuple[Show, ...]:
    gain = over(rows["brp"], rows["last-layer"])
    gap = over(rows["backprop"], rows["brp"])
    return (
        Show("points that brp is over the read-out alone", gain, POINTS, gain >= POINTS),
        Show("points that back-propagation is over brp: printed, no bar", gap, None, True),
    )


def of_first_layers(rows: dict[str, Row]) -> tuple[Show, ...]:
    gain = over(rows["stdp"], rows["random"])
    gap = over(rows["trained"], rows["stdp"])
    return (
        Show("points that a first layer by stdp is over a random one: no bar", gain, None, True),
        Show("points that a trained first layer is over one by stdp: no bar", gap, None, True),
    )


def main(flags: Flags) -> int:
    shows: list[Show] = []
    for folder, rules, judge in (
        (flags.out, RULES, of_rules),
        (flags.out / "first-layer", FIRST, of_first_layers),
    ):
        result, rows = trained(flags, rules)
        result = replace(result, shows=judge(rows))
        write_result(folder, result)
        write_report(folder)
        shows += result.shows
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", page(flags.out))
    for show in shows:
        bar = "" if show.bar is None else f" ({show.bar:g})"
        print(f"{'holds' if show.holds else 'FAILS'}: {show.claim}: {show.value:.4g}{bar}")
    return 0 if all(show.holds for show in shows) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
