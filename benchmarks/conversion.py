"""Accuracy of converted networks against their steps: pre-charge and delayed evaluation.

    python benchmarks/conversion.py            results/conversion

`make docs` then puts the table into its README.md.

A ReLU network, one of ``clip_floor`` neurons, a ReLU autoencoder and the single-step networks of
their recipes are trained with every seed; the first three are converted from rest and pre-charged.
What is finished is read back when the command is repeated.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import tyro

from conversion_run.claims import NEAR, shows
from conversion_run.figure import by_steps
from conversion_run.measured import Answers, answers
from conversion_run.page import page
from s3nn.config import DEFAULT_PRICES, Run
from s3nn.experiment.convert import Settings
from s3nn.experiment.train import gpu_name, train
from s3nn.experiment.trained import open_run
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.report.interval import measure
from s3nn.report.schema import Result
from s3nn.versions import host, versions

RELU, CLIPPED, AUTOENCODER = "relu", "clip_floor", "autoencoder"
ONE_STEP = {RELU: "s3nn", CLIPPED: "s3nn", AUTOENCODER: "autoencoder-s3nn"}


@dataclass(frozen=True)
class Flags:
    """Train the parents, convert them, and run each converted network once."""

    recipe: str = "fashion_cnn7_narrow"
    autoencoder: str = "fashion_autoencoder"
    """The recipe of the parent autoencoder."""
    seeds: int = 3
    parents: tuple[str, ...] = (RELU, CLIPPED, AUTOENCODER)
    neuron: str = "clip_floor(levels=8, threshold=4.0)"
    """Of the parent clip_floor."""
    steps: int = 32
    precharge: float = 0.5
    percentile: float = 99.9
    at: tuple[int, ...] = (2, 4, 8, 16, 32)
    """The steps of the table."""
    counted: int = 500
    """Test images whose operations are counted, at each number of steps."""
    epochs: int | None = None
    """Of every training (default: the recipe's)."""
    threads: int = 1
    out: Path = Path("results/conversion")
    runs: Path = Path("runs/conversion")


def plan(flags: Flags) -> dict[tuple[str, int], tuple[Run, Path]]:
    """The trainings by row and seed, each with its folder."""
    neurons = {RELU: "relu", CLIPPED: flags.neuron, AUTOENCODER: "relu"}
    rows = {name: neurons[name] for name in flags.parents}
    rows |= {ONE_STEP[name]: "fire" for name in flags.parents}
    found = {}
    for seed in range(flags.seeds):
        for name, neuron in rows.items():
            of_images = name in (AUTOENCODER, ONE_STEP[AUTOENCODER])
            recipe = find_recipe(flags.autoencoder if of_images else flags.recipe)
            epochs = flags.epochs or recipe.fit.epochs
            fit = replace(recipe.fit, epochs=epochs, threads=flags.threads)
            run = replace(recipe, fit=fit, seed=seed).with_model(neuron=neuron, steps=1)
            found[name, seed] = run.check(), flags.runs / name / f"seed{seed}"
    return found


def run_once(flags: Flags, parent: str, seed: int, folder: Path, kappa: float) -> Answers:
    trained = open_run(folder)
    settings = Settings(flags.steps, (kappa,), 0, flags.percentile)
    kept = folder.with_name(f"seed{seed}-t{flags.steps}-k{kappa:g}-p{flags.percentile:g}.json")
    print(f"{parent}, seed {seed}, pre-charge {kappa:g}", file=sys.stderr, flush=True)
    return answers(trained, trained.data(), settings, flags.at, flags.counted, kept)


def summary(
    flags: Flags, parent: str, own: list[float], kappa: float, found: list[Answers]
) -> list[dict[str, Any]]:
    """A row with and one without a delay, over the seeds; ``own``: the parent's scores.

    A network that never comes near counts as one more step than it ran, and all of its spikes: no
    more than it takes.
    """
    unit = "dB" if parent == AUTOENCODER else "%"
    rows = []
    for delayed in (False, True):
        curves = [each.delayed if delayed else each.scores for each in found]
        near = [each.near(delayed, s - NEAR[unit][0]) for each, s in zip(found, own, strict=True)]
        last = [flags.steps if step is None else step for step in near]
        rows.append(
            {
                "parent": parent,
                "precharge": kappa,
                "delayed": delayed,
                "unit": unit,
                "scores": [fmean(values) for values in zip(*curves, strict=True)],
                "at": list(flags.at),
                "scores_at": [asdict(measure([c[t - 1] for c in curves])) for t in flags.at],
                "delays_at": [[x.delays[t - 1] * delayed for x in found] for t in flags.at],
                "energy_pj": {
                    key: [fmean(v) for v in zip(*(x.energy_pj[key] for x in found), strict=True)]
                    for key in found[0].energy_pj
                },
                "spikes": [fmean(v) for v in zip(*(x.spikes for x in found), strict=True)],
                "near": [flags.steps + 1 if step is None else step for step in near],
                "never_near": sum(step is None for step in near),
                "spikes_near": [x.spikes[t - 1] for x, t in zip(found, last, strict=True)],
            }
        )
    return rows


def main(flags: Flags) -> int:
    if max(flags.at) > flags.steps:
        raise SystemExit(f"--at {max(flags.at)} is beyond --steps {flags.steps}")
    torch.set_num_threads(flags.threads)
    results: dict[tuple[str, int], Result] = {}
    folders: dict[tuple[str, int], Path] = {}
    for key, (run, folder) in plan(flags).items():
        print(f"training {key[0]}, seed {key[1]}", file=sys.stderr, flush=True)
        results[key], folders[key] = train(run, folder, progress=False), folder
    seeds = range(flags.seeds)
    rows = []
    for parent in flags.parents:
        own = [results[parent, seed].rows[0].score.mean for seed in seeds]
        for kappa in (0.0, flags.precharge):
            found = [run_once(flags, parent, s, folders[parent, s], kappa) for s in seeds]
            rows += summary(flags, parent, own, kappa, found)
    claims = shows(rows)
    tree = {
        "command": f"python benchmarks/conversion.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"networks of {flags.recipe} converted to {flags.steps} steps, "
        f"{flags.seeds} seed{'s' * (flags.seeds > 1)}",
        "versions": versions(),
        "host": host(torch.get_num_threads(), gpu_name()),
        "recipe": find_recipe(flags.recipe).to_json(),
        "data": asdict(next(iter(results.values())).data),
        "settings": {"percentile": flags.percentile, "counted": flags.counted},
        "prices": DEFAULT_PRICES,
        "beside": {parent: ONE_STEP[parent] for parent in flags.parents},
        "lines": {
            name: line(results, name, seeds) for name in dict.fromkeys(name for name, _ in results)
        },
        "conversion": rows,
        "shows": claims,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
    write_text(flags.out / "steps.svg", by_steps(tree))
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", page(flags.out))
    for show in claims:
        held = "holds" if show["holds"] else "FAILS"
        print(f"{held}: {show['claim']}: {show['value']:.4g} ({show['bar']:.4g})")
    return 0 if all(show["holds"] for show in claims) else 1


def line(results: dict[tuple[str, int], Result], name: str, seeds: range) -> dict[str, Any]:
    """A network of one step, as it was trained: what its conversion is held against."""
    rows = [results[name, seed].rows[0] for seed in seeds]
    lists = rows[0].energy_pj
    return {
        "score": fmean(row.score.mean for row in rows),
        "per_seed": [row.score.mean for row in rows],
        "energy_pj": {key: fmean(row.energy_pj[key] for row in rows) for key in lists},
        "spikes": fmean(row.spikes_per_inference for row in rows),
    }


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
