"""What analog chips do to a trained network, and what training with them in the loop undoes.

    python benchmarks/chip.py              results/chip

`make docs` then puts the table into its README.md.

A network is trained in software once (ideal), its weights are put on every chip (deployed) and
trained further with the chip in the loop, and what came out is put on the next chip (moved); beside
it stands what as much training without a chip gives on the chips (longer).  Then
mismatch, bits and dead neurons are varied one at a time.  Trained networks and accuracies stay in
runs/; what was cut off goes on when the command is repeated.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from chip_run.cells import Bench
from chip_run.claims import row, shows
from chip_run.figure import accuracies, sweeps
from chip_run.page import page
from s3nn.config import Chip, Run
from s3nn.experiment.train import gpu_name
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report.interval import measure
from s3nn.training.folder import describe
from s3nn.versions import host, versions
from training_step.figure import alone

LIF, S3NN = "lif", "s3nn"


@dataclass(frozen=True)
class Flags:
    """Put a network over steps and one of a single step on chips."""

    recipe: str = "fashion_chip"
    single: str | None = "fashion_chip_s3nn"
    """The recipe of the single-step network, if there is to be one."""
    epochs: int | None = None
    """In software (default: the recipe's)."""
    labels: int | None = None
    """Trained on (default: the recipe's)."""
    loop_epochs: int = 6
    """With a chip in the loop."""
    lr: float = 1e-3
    """In the loop."""
    chips: tuple[int, ...] = (0, 1, 2, 3, 4)
    sweep_chips: int = 3
    """Of these, how many the sweep deploys to."""
    sweep_epochs: int = 4
    """In the loop, on the first chip, at every point of the sweep; 0: none."""
    mismatch: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3)
    bits: tuple[int, ...] = (2, 3, 4, 5, 6)
    dead: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    threads: int = 1
    out: Path = Path("results/chip")
    runs: Path = Path("runs/chip")


def recipe(name: str, flags: Flags) -> Run:
    run = find_recipe(name)
    fit = replace(run.fit, threads=flags.threads, epochs=flags.epochs or run.fit.epochs)
    return replace(run, fit=fit, data=replace(run.data, labels=flags.labels or run.data.labels))


def on_chips(network: str, bench: Bench, flags: Flags) -> list[dict[str, Any]]:
    """The five rows of a network."""
    usual, steps = bench.run.chip, bench.run.model.steps
    chips = [replace(usual, seed=seed) for seed in flags.chips]
    following = [*chips[1:], chips[0]]
    loop = (flags.loop_epochs, flags.lr)
    found = {
        "ideal": [bench.ideal()],
        "deployed": [bench.deployed(chip) for chip in chips],
        "longer": [bench.trained_longer(chip, *loop) for chip in chips],
        "in the loop": [bench.trained_on(chip, *loop) for chip in chips],
        "moved": [
            bench.trained_on(chip, *loop, on=other)
            for chip, other in zip(chips, following, strict=True)
        ],
    }
    return [row(network, name, steps, values) for name, values in found.items()]


def swept(bench: Bench, flags: Flags) -> list[dict[str, Any]]:
    """Every point of the sweep: one thing is varied, all else is as usual."""
    varied: list[tuple[str, Sequence[float]]] = [
        ("mismatch", flags.mismatch),
        ("bits", flags.bits),
        ("dead", flags.dead),
    ]
    return [point(bench, flags, what, value) for what, values in varied for value in values]


def point(bench: Bench, flags: Flags, what: str, value: float) -> dict[str, Any]:
    chips: list[Chip] = [
        replace(bench.run.chip, seed=seed, **{what: value})  # type: ignore[arg-type]
        for seed in flags.chips[: flags.sweep_chips]
    ]
    loop = None
    if flags.sweep_epochs:
        loop = asdict(measure([bench.trained_on(chips[0], flags.sweep_epochs, flags.lr)]))
    deployed = asdict(measure([bench.deployed(chip) for chip in chips]))
    return {"what": what, "value": value, "deployed": deployed, "in_the_loop": loop}


def main(flags: Flags) -> int:
    if len(flags.chips) < 2:
        raise SystemExit(f"--chips {flags.chips}: moving takes two of them at least")
    torch.set_num_threads(flags.threads)
    named = ((LIF, flags.recipe), (S3NN, flags.single))
    benches = {
        name: Bench.at(recipe(of, flags), flags.runs / name) for name, of in named if of is not None
    }
    rows = [found for name, bench in benches.items() for found in on_chips(name, bench, flags)]
    claims = shows(rows, LIF)
    tree = {
        "command": f"python benchmarks/chip.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"test accuracy of {flags.recipe} on {len(flags.chips)} emulated chips",
        "versions": versions(),
        "host": host(torch.get_num_threads(), gpu_name()),
        "runs": {name: bench.run.to_json() for name, bench in benches.items()},
        "data": describe(benches[LIF].software).data,
        "loop": {"epochs": flags.loop_epochs, "lr": flags.lr, "sweep_epochs": flags.sweep_epochs},
        "ideal": benches[LIF].ideal(),
        "on_chips": rows,
        "sweeps": swept(benches[LIF], flags),
        "shows": claims,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
    write_text(flags.out / "accuracy.svg", alone(accuracies(tree)))
    write_text(flags.out / "sweeps.svg", alone(sweeps(tree)))
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", page(flags.out))
    for show in claims:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.4g}")
    return 0 if all(show["holds"] for show in claims) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
