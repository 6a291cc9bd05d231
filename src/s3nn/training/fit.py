"""One training run in one folder: begun, resumed or already there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from torch import nn

from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.energy.spending import Spending
from s3nn.training import folder as files
from s3nn.training import remarks
from s3nn.training.asked import asked
from s3nn.training.build import build_model, start_at
from s3nn.training.callbacks import History
from s3nn.training.checks import check_settings, check_sharpens
from s3nn.training.loop import PRECISION, Loop
from s3nn.training.precision import Arithmetic, arithmetic
from s3nn.training.processes import Processes
from s3nn.training.restraint import restraint_of
from s3nn.training.ruling import rule_of
from s3nn.versions import versions

ARITHMETIC = "arithmetic"  # of the training step, among what the numbers of run.json depend on


@dataclass(frozen=True)
class Fitted:
    """A network with the weights that validation picked, and how it got there."""

    network: nn.Module
    history: list[dict[str, float]]


def fit(
    run: Run,
    folder: Path,
    data: DataSet,
    *,
    teacher: nn.Module | None = None,
    start: nn.Module | None = None,
    spending: Spending | None = None,
    progress: bool = True,
) -> Fitted:
    """Train ``run`` on ``data`` in ``folder``, from its last checkpoint if it was begun there.

    ``teacher`` is the trained network that ``run.teacher`` speaks of and ``start`` the one at whose
    weights training starts; ``spending`` what the budget limits, where that has to be measured
    first.

    Raises ``RunFolderError`` for a folder that holds something else or is damaged and
    ``TrainingError`` for a loss that is not finite.
    """
    run.check()
    check_settings(run)
    begun = files.claim(folder, run)
    if begun:
        files.check_same_data(folder, data)
    network, history = untrained(run, data), History(folder / files.METRICS)
    if begun and (folder / files.WEIGHTS).is_file():
        files.read_weights(folder, network)
        return Fitted(network, files.read_history(folder))
    check_sharpens(run, network)
    restraint = restraint_of(run, network, tuple(data.spec.shape), spending)
    rule = rule_of(run, network, tuple(data.spec.shape), len(data.spec.classes))
    processes = Processes.here()
    computed = _arithmetic(run, folder if begun else None, processes)
    if processes.rank == 0 and not begun:
        folder.mkdir(parents=True, exist_ok=True)
        parts = versions() | {ARITHMETIC: computed}
        files.write_run(folder, run, files.data_description(data), parts)
    said = progress and processes.rank == 0
    if said:
        remarks.before(run, network, processes.device(run.fit.accelerator))
    with files.alone(folder), files.withdrawn_where_nothing_is(folder):
        if start is not None:
            anew = start_at(network, start)
            if said:
                remarks.beginning_anew(anew)
        Loop(
            *(run, folder, data, network, teacher, restraint, rule, history),
            *(processes, computed, progress),
        ).go()
        _keep_best(folder, network, processes)
    if said:
        remarks.afterwards(run, history.lines)
    return Fitted(network, history.lines)


def can_train(run: Run, data: DataSet) -> None:
    """Raise what ``fit`` would, of ``run`` alone, before anything else is trained for it."""
    run.check()
    check_settings(run)
    network, shape = untrained(run, data), tuple(data.spec.shape)
    check_sharpens(run, network)
    if run.budget.latency_us is None:
        restraint_of(run, network, shape, None)
    rule_of(run, network, shape, len(data.spec.classes))


def _arithmetic(run: Run, begun: Path | None, processes: Processes) -> Arithmetic:
    """What training computes in; a run that goes on, in folder ``begun``, in what it began with."""
    known = files.describe(begun).versions.get(ARITHMETIC) if begun else None
    if run.fit.precision == "auto" and known in PRECISION:
        return known
    return arithmetic(run.fit.precision, processes.device(run.fit.accelerator))


def _keep_best(folder: Path, network: nn.Module, processes: Processes) -> None:
    """The weights of the best epoch into ``network`` and its file, in place of the checkpoints."""
    best = torch.load(folder / files.BEST, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.cpu().load_state_dict(
        {k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)}
    )
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    if processes.rank == 0:
        files.write_weights(folder, network)
        for checkpoint in (files.BEST, files.LAST):
            (folder / checkpoint).unlink()


def untrained(run: Run, data: DataSet) -> nn.Module:
    """The run's network with its first weights, which follow from the seed."""
    asked(run, data)
    L.seed_everything(run.seed, verbose=False)
    spec = data.spec
    classes, mean, std = len(spec.classes), spec.mean, spec.std
    return build_model(
        run.model, spec.shape, classes, mean=mean, std=std, gates=run.gates, chip=run.chip
    )
