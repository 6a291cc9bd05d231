"""What S3NN's surrogate is worth beside its own branches and beside others, at an equal budget.

    python benchmarks/ablation.py
    python benchmarks/ablation.py --recipe fashion_cnn7_narrow --groups surrogates --seeds 3

Three groups of cells, each a training a seed of one recipe, in which only the neuron changes: eight
surrogates; alpha against beta of s3; fixed, learned and per-channel thresholds.  Trained networks
stay in runs/; what was cut off goes on when the command is repeated.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from ablation_run import figure
from ablation_run.cells import ALPHAS, BETAS, SURROGATES, Cell, cells
from ablation_run.claims import shows
from ablation_run.measured import row_of_cell, with_differences
from ablation_run.page import add_section
from s3nn.config import Run, Teacher
from s3nn.errors import TrainingError
from s3nn.experiment.compare import compare
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report import read_result
from s3nn.versions import host, versions

ROW = "s3nn"  # the recipe's neuron in one step


@dataclass(frozen=True)
class Flags:
    """Train a recipe with other surrogates, slopes and thresholds."""

    recipe: str = "digits_cnn"
    seeds: int = 5
    groups: tuple[Literal["surrogates", "grid", "thresholds"], ...] = (
        "surrogates",
        "grid",
        "thresholds",
    )
    surrogates: tuple[str, ...] = SURROGATES
    """Of the group of surrogates; s3 is always there."""
    alphas: tuple[float, ...] = ALPHAS
    betas: tuple[float, ...] = BETAS
    epochs: int | None = None
    """Of every training (default: the recipe's)."""
    jobs: int = 1
    threads: int = 1
    out: Path = Path("results/ablation")
    runs: Path = Path("runs")


class Study:
    """The trainings of one recipe, and what came of them."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        recipe = find_recipe(flags.recipe)
        fit = replace(recipe.fit, threads=flags.threads)
        if flags.epochs is not None:
            fit = replace(fit, epochs=flags.epochs)
        self.run: Run = replace(recipe, fit=fit, teacher=Teacher())
        self.rows: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.folder = flags.runs / f"ablation-{flags.recipe}"

    def train(self, cell: Cell) -> None:
        """Every seed of a cell that is not there yet."""
        place = self.folder / cell.name
        run = self.run.with_model(neuron=cell.neuron)
        try:
            result = compare(
                run, [ROW], self.flags.seeds, place, jobs=self.flags.jobs, progress=False
            )
        except TrainingError as error:
            self.failures.append({"cell": cell.name, "seed": None, "error": str(error)})
            _say(f"{cell.name}: FAILED, {error}")
            return
        failed = {failure.seed: failure.error for failure in result.failures}
        for seed, error in failed.items():
            self.failures.append({"cell": cell.name, "seed": seed, "error": error})
        seeds = [seed for seed in result.seeds if seed not in failed]
        row = row_of_cell(cell, [place / ROW / f"seed{seed}" for seed in seeds])
        self.rows.append(row)
        _say(
            f"{cell.name}: {100 * row['accuracy']['mean']:.2f} %, "
            f"{100 * row['firing_rate']['mean']:.1f} % fire"
        )

    def tree(self) -> dict[str, Any]:
        """What result.json says."""
        rows = with_differences(self.rows)
        run, flags = self.run, self.flags
        first = read_result(self.folder / rows[0]["name"] / ROW / f"seed{rows[0]['seeds'][0]}")
        return {
            "command": f"python benchmarks/ablation.py {' '.join(sys.argv[1:])}".strip(),
            "what": f"{run.model.name}, width {run.model.width:g}, on {run.data.name}, "
            f"{run.fit.epochs} epochs",
            "recipe": flags.recipe,
            "data": {"name": first.data.name, "checksum": first.data.checksum},
            "seeds": list(range(flags.seeds)),
            "versions": versions(),
            "host": host(flags.threads, None),
            "groups": list(flags.groups),
            "rows": rows,
            "failures": self.failures,
            "shows": shows(rows),
        }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(flags: Flags) -> int:
    study = Study(flags)
    wanted = cells(flags.groups, flags.surrogates, flags.alphas, flags.betas)
    for number, cell in enumerate(wanted, start=1):
        _say(f"[{number}/{len(wanted)}] {cell.name}")
        study.train(cell)
    if not study.rows:
        _say("no cell could be trained")
        return 1
    tree, out = study.tree(), flags.out / flags.recipe
    write_text(out / "result.json", json.dumps(tree, indent=1) + "\n")
    if "surrogates" in flags.groups:
        write_text(out / "surrogates.svg", figure.surrogates(tree))
    if "grid" in flags.groups:
        write_text(out / "grid.svg", figure.grid(tree))
    add_section(flags.out / "README.md", flags.recipe, tree)
    for show in tree["shows"]:
        print(
            f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.3g} "
            f"({show['bar']:.3g})"
        )
    return 0 if all(show["holds"] for show in tree["shows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
