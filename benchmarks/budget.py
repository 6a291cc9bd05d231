"""Whether an energy budget is met, and which penalty buys most accuracy for its energy.

    python benchmarks/budget.py                       results/budget

Networks are trained within budgets of picojoules and their energy on the test split is held against
them; then a recipe is trained with every penalty at every strength.  Cells stay in runs/; what was
cut off goes on when the command is repeated, and a part that is left out keeps its old numbers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from budget_run.claims import shows
from budget_run.figure import against_energy
from s3nn.config import DEFAULT_PRICES, Budget, Penalty, Run, Teacher
from s3nn.experiment.compare import compare
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report import read_result
from s3nn.versions import host, versions

STRENGTHS = {
    "synaptic": (3e-7, 1e-6, 3e-6, 1e-5, 3e-5),
    "l1": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "hoyer": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
}


@dataclass(frozen=True)
class Flags:
    """Train within budgets of energy, and with penalties of several strengths."""

    parts: tuple[Literal["budgets", "fashion", "penalties"], ...] = (
        *("budgets", "fashion", "penalties"),
    )
    recipe: str = "digits_cnn"
    budgets: tuple[float, ...] = (3e5, 2e5, 1.3e5)
    """Picojoules an inference, of the recipe."""
    fashion: str = "fashion_cnn7_small"
    fashion_from: Path = Path("results/inference/runs/s3nn")
    """A trained network of that recipe, which the budget starts at."""
    fashion_budget: float = 1.6e6
    fashion_epochs: int = 6
    lr: float = 0.02
    """Of the training that starts at a trained network."""
    penalties: tuple[str, ...] = tuple(STRENGTHS)
    strengths: int = 5
    """How many of each penalty's strengths, from the weakest."""
    rows: tuple[str, ...] = ("s3nn", "lif-t4")
    ramp: float = 0.5
    epochs: int | None = None
    """Of the recipe (default: its own)."""
    seeds: int = 2
    jobs: int = 1
    threads: int = 1
    out: Path = Path("results/budget")
    runs: Path = field(default=Path("runs/budget"))


def budget_cells(flags: Flags) -> Iterator[dict[str, Any]]:
    run = _recipe(flags, flags.recipe, flags.epochs)
    for most in flags.budgets:
        held = replace(run, budget=Budget(energy_pj=most))
        yield from _held(held, flags.seeds, flags.runs / f"{flags.recipe}-{most:g}", flags)


def fashion_cells(flags: Flags) -> Iterator[dict[str, Any]]:
    """One seed, a few epochs, from the weights of a network that is there."""
    run = _recipe(flags, flags.fashion, flags.fashion_epochs)
    held = replace(
        run,
        teacher=Teacher(folder=str(flags.fashion_from), start=True),
        budget=Budget(energy_pj=flags.fashion_budget),
        optim=replace(run.optim, lr=flags.lr),
    )
    yield from _held(held, 1, flags.runs / f"{flags.fashion}-{flags.fashion_budget:g}", flags)


def penalty_cells(flags: Flags) -> Iterator[dict[str, Any]]:
    run = _recipe(flags, flags.recipe, flags.epochs)
    kinds: list[Penalty] = [Penalty()]
    for name in flags.penalties:
        kinds += [
            Penalty(name, strength, ramp=flags.ramp)
            for strength in STRENGTHS[name][: flags.strengths]
        ]
    for penalty in kinds:
        strength = penalty.strength or 0.0
        folder = flags.runs / f"{flags.recipe}-{penalty.name or 'free'}-{strength:g}"
        for cell in _trained(replace(run, penalty=penalty), flags.rows, flags.seeds, folder, flags):
            yield {"penalty": penalty.name, "strength": strength, **cell}


def _held(run: Run, seeds: int, folder: Path, flags: Flags) -> Iterator[dict[str, Any]]:
    most = run.budget.energy_pj
    assert most is not None
    for cell in _trained(run, ("s3nn",), seeds, folder, flags):
        share = cell["energy_pj"] / most
        yield {"recipe": run.recipe, "budget_pj": most, "share_of_budget": share, **cell}


def _trained(
    run: Run, rows: tuple[str, ...], seeds: int, folder: Path, flags: Flags
) -> Iterator[dict[str, Any]]:
    """Every row and seed of ``run``, each trained in a process of its own."""
    compare(run, rows, seeds, folder, jobs=flags.jobs)
    for name in rows:
        for seed in range(seeds):
            (row,) = read_result(folder / name / f"seed{seed}").rows
            yield {
                "row": name,
                "seed": seed,
                "energy_pj": row.energy_pj[DEFAULT_PRICES],
                "accuracy": row.accuracy.mean,
                "firing_rate": row.firing_rate,
                "spikes_per_inference": row.spikes_per_inference,
            }


def _recipe(flags: Flags, name: str, epochs: int | None) -> Run:
    run = find_recipe(name)
    fit = replace(run.fit, threads=flags.threads, epochs=epochs or run.fit.epochs)
    return replace(run, fit=fit)


def _before(out: Path) -> dict[str, Any]:
    path = out / "result.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}  # type: ignore[no-any-return]


def main(flags: Flags) -> int:
    before = _before(flags.out)
    budgets = before.get("budgets", [])
    for part, cells, recipe in (
        ("budgets", budget_cells, flags.recipe),
        ("fashion", fashion_cells, flags.fashion),
    ):
        if part in flags.parts:
            kept = [cell for cell in budgets if cell["recipe"] != recipe]
            budgets = [*kept, *cells(flags)]
    penalties = before.get("penalties", [])
    if "penalties" in flags.parts:
        penalties = list(penalty_cells(flags))
    command = f"python benchmarks/budget.py {' '.join(sys.argv[1:])}".strip()
    commands = before.get("commands", {}) | dict.fromkeys(flags.parts, command)
    result = {
        "command": "; ".join(dict.fromkeys(commands.values())),
        "commands": commands,
        "recipe": flags.recipe,
        "prices": DEFAULT_PRICES,
        "versions": versions(),
        "host": host(flags.threads, None),
        "budgets": budgets,
        "penalties": penalties,
        "shows": shows(budgets, penalties),
    }
    write_text(flags.out / "result.json", json.dumps(result, indent=2) + "\n")
    write_text(flags.out / "energy.svg", against_energy(result))
    for cell in budgets:
        print(
            f"{cell['recipe']}, seed {cell['seed']}: {cell['energy_pj']:.4g} of "
            f"{cell['budget_pj']:.4g} pJ ({100 * cell['share_of_budget']:.1f} %), "
            f"{100 * cell['accuracy']:.2f} %"
        )
    for show in result["shows"]:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.3f}")
    return 0 if all(show["holds"] for show in result["shows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
