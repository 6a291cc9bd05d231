"""One spike a neuron, learned by spike-timing-dependent plasticity, beside back-propagation.

    python benchmarks/sstdp.py            results/sstdp

Two data sets; on each the recipe of SSTDP, the same network as its authors train it (where T is
theirs), and a ReLU network of the same size trained by back-propagation.  `make docs` then puts the
table into its README.md.  What is finished is read back when the command is repeated.

A trained network is also run the long way, step by step on rasters, on some of its test images: it
is there that the spikes of a neuron are counted, and every spike is compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from s3nn.config import Run
from s3nn.data.batches import Batches
from s3nn.experiment.train import gpu_name, read_counts, train
from s3nn.experiment.trained import open_run
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report.schema import Result
from s3nn.versions import host, versions
from sstdp_run.claims import BARS, PRICES, shows, summary
from sstdp_run.page import page
from sstdp_run.rows import AUTHORS, RELU, ROWS, with_row
from sstdp_run.steps import spikes_in_steps, ties

AUTHORS_STEPS = 255


@dataclass(frozen=True)
class Flags:
    """Train SSTDP and its controls, and count what their neurons do."""

    recipes: tuple[str, ...] = tuple(BARS)
    seeds: tuple[int, ...] = (3, 2)
    """How many, of each recipe."""
    rows: tuple[str, ...] = ROWS
    epochs: int | None = None
    """Of every training (default: the recipe's)."""
    images: int = 40
    """Test images that are run step by step."""
    threads: int = 1
    out: Path = Path("results/sstdp")
    runs: Path = Path("runs/sstdp")


@dataclass(frozen=True)
class Cell:
    """One training: its recipe, row and seed, and the folder it lives in."""

    recipe: str
    row: str
    run: Run
    folder: Path


def plan(flags: Flags) -> Iterator[Cell]:
    for recipe, seeds in zip(flags.recipes, flags.seeds, strict=True):
        run = find_recipe(recipe)
        fit = replace(run.fit, threads=flags.threads, epochs=flags.epochs or run.fit.epochs)
        for row in flags.rows:
            if row == AUTHORS and run.model.steps != AUTHORS_STEPS:
                continue  # their rates and first weights are for their task
            for seed in range(seeds):
                cell = replace(with_row(replace(run, fit=fit), row), seed=seed)
                name = row.replace(", ", "-").replace(" ", "-")
                yield Cell(recipe, row, cell, flags.runs / recipe / name / f"seed{seed}")


def looked_at(cell: Cell, images: int) -> dict[str, Any]:
    """What a cell's network does beyond its result."""
    counts = read_counts(cell.folder)
    neurons = sum(layer.neurons for layer in counts.layers if layer.spikes_out)
    found: dict[str, Any] = {"spikes": counts.spikes_per_inference}
    if cell.row == RELU:
        return found
    found["spikes_a_neuron"] = counts.spikes_per_inference / neurons
    trained = open_run(cell.folder)
    test = trained.data().test
    most, apart = spikes_in_steps(trained, test.images[:images])
    tied, silent = ties(trained, Batches(test, batch_size=250, mean=trained.mean, std=trained.std))
    return found | {
        "most_spikes_a_neuron": most,
        "times_apart_in_steps": apart,
        "tied": tied,
        "silent": silent,
    }


def main(flags: Flags) -> int:
    if len(flags.recipes) != len(flags.seeds):
        raise SystemExit(f"--seeds has {len(flags.seeds)} numbers for {len(flags.recipes)} recipes")
    torch.set_num_threads(flags.threads)
    cells = list(plan(flags))
    done: dict[tuple[str, str], list[tuple[Run, Result, dict[str, Any]]]] = {}
    for number, cell in enumerate(cells, 1):
        print(f"[{number}/{len(cells)}] {cell.folder}", file=sys.stderr, flush=True)
        result = train(cell.run, cell.folder, progress=False)
        entry = cell.run, result, looked_at(cell, flags.images)
        done.setdefault((cell.recipe, cell.row), []).append(entry)
    rows = [summary(*name, *map(list, zip(*found, strict=True))) for name, found in done.items()]
    tree = {
        "command": f"python benchmarks/sstdp.py {' '.join(sys.argv[1:])}".strip(),
        "what": "networks of one hidden layer: SSTDP, its authors' training, back-propagation",
        "prices": PRICES,
        "versions": versions(),
        "host": host(flags.threads, gpu_name()),
        "races": rows,
        "shows": shows(rows),
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    readme = flags.out / "README.md"
    if not readme.exists():
        write_text(readme, page(flags.out))
    for show in tree["shows"]:
        print(
            f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.4g} "
            f"({show['bar']:g})"
        )
    return 0 if all(show["holds"] for show in tree["shows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
