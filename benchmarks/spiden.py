"""Image denoising with ReLU, with quantised activations and with spikes: quality against energy.

    python benchmarks/spiden.py            results/spiden

`make docs` then puts the table into its README.md.  What is finished is read back when the command
is repeated, and a training that was cut off goes on.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from s3nn.energy import PRICE_LISTS
from s3nn.experiment.train import gpu_name, train
from s3nn.experiment.trained import open_run
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report.schema import Result
from s3nn.versions import host, versions
from spiden_run.claims import break_even, shows
from spiden_run.figure import trade
from spiden_run.measured import Seen, measured
from spiden_run.page import page
from spiden_run.pictures import montage, side_by_side
from spiden_run.rows import Cell, cells
from training_step.figure import alone

DRAWN = ("relu", "if-t1", "if-t4")


@dataclass(frozen=True)
class Flags:
    """Train every row at every sigma and hold them against each other."""

    rows: tuple[str, ...] = (
        *("relu", "quantised-4", "quantised-15", "s3nn", "if-t1", "if-t2", "if-t4", "if-t8"),
    )
    sigmas: tuple[float, ...] = (25.0, 15.0, 50.0)
    """Grey levels of 255; the claims are about the first."""
    epochs: tuple[int, int, int] = (40, 12, 4)
    """Of the ReLU network, of the others from its weights, and of all at the other sigmas."""
    width: float | None = None
    """Of the network (default: the recipe's)."""
    model: str | None = None
    """The network, with another depth (default: the recipe's)."""
    patches: int | None = None
    """Train on so many patches (default: all)."""
    seed: int = 0
    threads: int = 1
    progress: bool = True
    out: Path = Path("results/spiden")
    runs: Path = Path("runs/spiden")


def plan(flags: Flags) -> list[Cell]:
    recipe = find_recipe("photos_dncnn")
    recipe = replace(recipe, seed=flags.seed, fit=replace(recipe.fit, threads=flags.threads))
    recipe = replace(recipe, data=replace(recipe.data, labels=flags.patches))
    recipe = recipe.with_model(
        name=flags.model or recipe.model.name, width=flags.width or recipe.model.width
    )
    return cells(recipe, flags.rows, flags.sigmas, flags.epochs, flags.runs)


def row_of(cell: Cell, result: Result) -> tuple[dict[str, Any], list[Seen]]:
    """What one cell trained and measured."""
    found, seen = measured(open_run(cell.folder))
    row = result.rows[0]
    return {
        "name": cell.row,
        "sigma": cell.sigma,
        "neuron": cell.run.model.neuron,
        "steps": cell.run.model.steps,
        "epochs": row.epochs,
        "training_s": row.epochs * row.train_s_per_epoch,
        **found,
    }, seen


def main(flags: Flags) -> int:
    torch.set_num_threads(flags.threads)
    rows: list[dict[str, Any]] = []
    drawn: dict[str, list[Seen]] = {}
    for cell in plan(flags):
        print(f"{cell.row}, sigma {cell.sigma:g}", file=sys.stderr, flush=True)
        result = train(cell.run, cell.folder, progress=flags.progress)
        row, seen = row_of(cell, result)
        rows.append(row)
        if cell.sigma == flags.sigmas[0] and cell.row in DRAWN:
            drawn[cell.row] = seen
    first = [row for row in rows if row["sigma"] == flags.sigmas[0]]
    stops = [stop for prices in PRICE_LISTS if (stop := break_even(first, prices)) is not None]
    claims = shows(first, stops)
    tree = {
        "command": f"python benchmarks/spiden.py {' '.join(sys.argv[1:])}".strip(),
        "what": "denoising of photographs: PSNR against energy a pixel, and energy against steps",
        "versions": versions(),
        "host": host(torch.get_num_threads(), gpu_name()),
        "data": asdict(result.data),
        "prices": next(iter(PRICE_LISTS)),
        "sigmas": list(flags.sigmas),
        "denoising": rows,
        "stops": stops,
        "shows": claims,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
    write_text(flags.out / "trade.svg", alone(trade(tree)))
    if drawn:
        montage(flags.out / "pictures.png", drawn)
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", page(flags.out, side_by_side(drawn)))
    for show in claims:
        value = "none" if show["value"] is None else f"{show['value']:.4g}"
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {value}")
    return 0 if claims and all(show["holds"] for show in claims) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
