"""train and compare."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console, print_table
from s3nn.config import Budget, Chip, Data, Fit, Gates, Model, Optim, Penalty, Run, Teacher
from s3nn.errors import UsageError
from s3nn.recipes import find_recipe
from s3nn.report.schema import Result
from s3nn.rows import DEFAULT_ROWS

_SECTIONS = ("data", "model", "optim", "fit", "teacher", "penalty", "budget", "gates", "chip")


@dataclass(frozen=True)
class TrainFlags:
    """Train one network; the same command resumes it after a kill."""

    data: Data
    model: Model
    optim: Optim
    fit: Fit
    teacher: Teacher
    penalty: Penalty
    budget: Budget
    gates: Gates
    chip: Chip
    task: str
    """What the network is asked (see `s3nn list tasks`), e.g. "denoising(sigma=25)"."""
    seed: int
    """Everything random follows from it."""
    out: Path | None = None
    """The run folder (default: runs/RECIPE-sSEED)."""


@dataclass(frozen=True)
class CompareFlags:
    """Train a recipe's rows over several seeds; the same command goes on where it stopped."""

    data: Data
    model: Model
    optim: Optim
    fit: Fit
    teacher: Teacher
    penalty: Penalty
    budget: Budget
    gates: Gates
    chip: Chip
    task: str
    """What the networks are asked (see `s3nn list tasks`)."""
    rows: tuple[str, ...] = DEFAULT_ROWS
    """relu, s3nn, s3nn-intK, relu-intK, bnn, lif-tT, timing-tT."""
    seeds: int = 3
    """How many seeds: 0, 1, ..."""
    jobs: int = 1
    """How many trainings at once; set --fit.threads to the cores that each may have."""
    out: Path | None = None
    """The folder of the comparison (default: runs/compare-RECIPE)."""


def train(words: list[str]) -> None:
    recipe, rest = _recipe("train", words)
    sections = {name: getattr(recipe, name) for name in _SECTIONS}
    flags = parse(
        TrainFlags, "train RECIPE", rest, TrainFlags(**sections, task=recipe.task, seed=recipe.seed)
    )
    run = replace(_settings(recipe, flags), seed=flags.seed).check()
    from s3nn.experiment.train import default_folder
    from s3nn.experiment.train import train as train_run
    from s3nn.training.processes import Processes

    folder = flags.out or default_folder(run)
    result = train_run(run, folder)
    if Processes.here().rank == 0:
        _show(result, folder)


def compare(words: list[str]) -> None:
    recipe, rest = _recipe("compare", words)
    sections = {name: getattr(recipe, name) for name in _SECTIONS}
    flags = parse(CompareFlags, "compare RECIPE", rest, CompareFlags(**sections, task=recipe.task))
    run = _settings(recipe, flags).check()
    from s3nn.experiment.compare import compare as compare_rows
    from s3nn.experiment.compare import default_folder

    folder = flags.out or default_folder(run)
    result = compare_rows(run, flags.rows, flags.seeds, folder, jobs=flags.jobs)
    _show(result, folder)
    if result.failures:
        raise SystemExit(1)


def _settings(recipe: Run, flags: TrainFlags | CompareFlags) -> Run:
    """The recipe with the sections that the flags changed."""
    return replace(recipe, **{name: getattr(flags, name) for name in (*_SECTIONS, "task")})


def _recipe(command: str, words: list[str]) -> tuple[Run, list[str]]:
    """The recipe that the first word names, and the words after it."""
    if not words or words[0].startswith("-"):
        if words[:1] in (["-h"], ["--help"]):
            return find_recipe("digits_cnn"), words
        raise UsageError(f"s3nn {command} needs a recipe: see `s3nn list recipes`")
    name, *rest = words
    if name.endswith(".json") or Path(name).is_dir():
        from s3nn.training.folder import CONVERSION, describe

        path = Path(name)
        if ((path if path.is_dir() else path.parent) / CONVERSION).is_file():
            raise UsageError(
                f"{name} was converted and not trained: s3nn convert makes it again, from the run "
                f"that its {CONVERSION} names"
            )
        return describe(path).run, rest
    return find_recipe(name), rest


def _show(result: Result, folder: Path) -> None:
    from s3nn.report import SPARE, console_table

    print_table(make_console(), console_table(result), SPARE)
    for failure in result.failures:
        print(f"failed: {failure.row}, seed {failure.seed}: {failure.error}", file=sys.stderr)
    print(f"{folder / 'report.html'}")
