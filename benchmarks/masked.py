"""Masked surrogate gradients and weighted steps, with few labels.

    python benchmarks/masked.py            results/masked

`make docs` then puts the table into its README.md.

Rows are {plain, masked, masked and rescaled, plain with TWO, masked with TWO} over the steps of the
recipe, and {plain, masked} of the single-step neuron.  Every row is trained with every number of
labels and every seed, and the test split is read once a training.  What is finished is read back
when the command is repeated.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from masked_run.claims import gains, shows
from masked_run.figure import accuracies
from masked_run.page import page
from masked_run.rows import ROWS, with_row
from s3nn.config import Run
from s3nn.errors import S3nnError
from s3nn.experiment.train import gpu_name, train
from s3nn.experiment.trained import open_run
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report.interval import measure
from s3nn.report.schema import Result
from s3nn.versions import host, versions
from training_step.figure import alone


@dataclass(frozen=True)
class Flags:
    """Train every row with every number of labels and every seed."""

    recipe: str = "fashion_few"
    labels: tuple[int, ...] = (1000, 5000)
    epochs: tuple[int, ...] = (80, 30)
    """One number for each of labels."""
    seeds: int = 5
    rows: tuple[str, ...] = tuple(ROWS)
    threads: int = 1
    out: Path = Path("results/masked")
    runs: Path = Path("runs/masked")


@dataclass(frozen=True)
class Cell:
    """One training: its row, number of labels and seed, and the folder it lives in."""

    row: str
    labels: int
    seed: int
    run: Run
    folder: Path


def plan(flags: Flags) -> Iterator[Cell]:
    """The cells in the order they are trained: all rows of a seed before the next seed."""
    recipe = find_recipe(flags.recipe)
    for labels, epochs in zip(flags.labels, flags.epochs, strict=True):
        fewer = replace(
            recipe,
            data=replace(recipe.data, labels=labels),
            fit=replace(recipe.fit, epochs=epochs, threads=flags.threads),
        )
        for seed in range(flags.seeds):
            for row in flags.rows:
                run = replace(with_row(fewer, row), seed=seed)
                yield Cell(row, labels, seed, run, flags.runs / f"{labels}" / row / f"seed{seed}")


def trained(cells: list[Cell]) -> tuple[dict[Cell, Result], list[dict[str, Any]]]:
    """What each cell measured, and those that failed, with the reason."""
    results: dict[Cell, Result] = {}
    failures: list[dict[str, Any]] = []
    for number, cell in enumerate(cells, 1):
        where = {"row": cell.row, "labels": cell.labels, "seed": cell.seed}
        print(f"[{number}/{len(cells)}] {where}", file=sys.stderr, flush=True)
        try:
            results[cell] = train(cell.run, cell.folder, progress=False)
        except S3nnError as error:
            failures.append({**where, "error": str(error)})
            print(f"FAILED: {error}", file=sys.stderr, flush=True)
    return results, failures


def summary(results: dict[Cell, Result]) -> list[dict[str, Any]]:
    """One entry a row and number of labels, over the seeds that were trained."""
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in results:
        groups.setdefault((cell.row, cell.labels), []).append(cell)
    found = []
    for (name, labels), cells in groups.items():
        rows = [results[cell].rows[0] for cell in cells]
        model = cells[0].run.model
        found.append(
            {
                "name": name,
                "labels": labels,
                "neuron": model.neuron,
                "encoder": model.encoder,
                "readout": model.readout,
                "steps": model.steps,
                "epochs": cells[0].run.fit.epochs,
                "seeds": [cell.seed for cell in cells],
                "accuracy": asdict(measure([row.accuracy.mean for row in rows])),
                "validation_accuracy": asdict(
                    measure([row.validation_accuracy.mean for row in rows])
                ),
                "train_loss": asdict(measure([row.curves.train_loss[0][-1] for row in rows])),
                "firing_rate": asdict(measure([row.firing_rate or 0.0 for row in rows])),
                "weights_of_steps": [weights_of_steps(cell.folder) for cell in cells],
            }
        )
    return found


def weights_of_steps(folder: Path) -> list[float] | None:
    """What the read-out of a trained network weighs its steps with; none: all alike."""
    weights = dict(open_run(folder).network.named_buffers()).get("over_time.weights")
    return None if weights is None else weights.tolist()


def main(flags: Flags) -> int:
    if len(flags.labels) != len(flags.epochs):
        raise SystemExit(f"--epochs has {len(flags.epochs)} numbers for {len(flags.labels)} labels")
    torch.set_num_threads(flags.threads)
    results, failures = trained(list(plan(flags)))
    rows = summary(results)
    gained = gains(rows)
    claims = shows(gained)
    tree = {
        "command": f"python benchmarks/masked.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"test accuracy of {flags.recipe} with few labels, "
        f"{flags.seeds} seed{'s' * (flags.seeds > 1)}",
        "versions": versions(),
        "host": host(torch.get_num_threads(), gpu_name()),
        "recipe": find_recipe(flags.recipe).to_json(),
        "data": asdict(next(iter(results.values())).data) if results else None,
        "few_labels": rows,
        "gains": gained,
        "failures": failures,
        "shows": claims,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
    write_text(flags.out / "accuracy.svg", alone(accuracies(tree)))
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", page(flags.out))
    for show in claims:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.4g}")
    return 0 if claims and not failures and all(show["holds"] for show in claims) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
