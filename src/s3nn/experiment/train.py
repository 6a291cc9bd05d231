"""Train a run and write everything that is known of it into its folder."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.decode import parse_json
from s3nn.energy import Counts
from s3nn.energy.spending import Spending
from s3nn.errors import RunFolderError, UnsupportedError
from s3nn.experiment.latency import TIMED, calibrated, latency_us
from s3nn.experiment.measure import Measured, measure, price_lists
from s3nn.experiment.teaching import open_start, open_teacher, teacher_run
from s3nn.experiment.trained import load_data
from s3nn.files import beside, replacing, write_text
from s3nn.report import complete_report, read_result, write_report, write_result
from s3nn.report.schema import Data, Result
from s3nn.rows import row_of
from s3nn.training.build import start_at
from s3nn.training.fit import can_train, fit, untrained
from s3nn.training.folder import RESULT, claim, data_description
from s3nn.training.processes import Processes
from s3nn.versions import host, versions

DETAILS, COUNTS = "details.npz", "counts.json"


def train(
    run: Run,
    out: Path | str | None = None,
    *,
    teacher: Path | str | None = None,
    progress: bool = True,
) -> Result:
    """Train ``run`` in the folder ``out`` (default ``runs/RECIPE-sSEED``), measure it, report it.

    The epoch is picked on the validation split and the test split is read once.  A folder that
    holds this run begun is resumed from its last epoch; finished, its result is read back.

    A run with a ``teacher.row`` trains that network first, in the folder ``teacher`` (default
    ``OUT-teacher``); one that is there is not trained again.

    Returns the ``Result`` of one row that result.json holds.  Raises ``UsageError`` for what cannot
    be right and ``TrainingError`` when the loss stops being finite.
    """
    run.check()
    folder = Path(out) if out is not None else default_folder(run)
    if claim(folder, run) and (folder / RESULT).is_file():
        complete_report(folder)
        return read_result(folder)
    lessons = Path(teacher) if teacher is not None else beside(folder, "-teacher")
    taught_by = teacher_run(run)
    data = load_data(run)
    if taught_by is not None:
        can_train(run, data)
        train(taught_by, lessons, progress=progress)
    taught = open_teacher(run, lessons, data.spec)
    start = open_start(run, taught)
    timing = _timing(run, data, start, folder)
    fitted = fit(run, folder, data, teacher=taught, start=start, spending=timing, progress=progress)
    if Processes.here().rank > 0:
        _meet()
        return read_result(folder)
    measured = measure(row_of(run), run, fitted.network, data, fitted.history)
    if timing is not None and progress:
        _say_latency(run, fitted.network, data, timing, measured.counts)
    result = result_of(run, data, measured)
    write_finished(folder, result, measured)
    _meet()
    return result


def _timing(run: Run, data: DataSet, start: nn.Module | None, folder: Path) -> Spending | None:
    """What a budget of latency limits, timed on this machine into OUT-latency.json."""
    if run.budget.latency_us is None:
        return None
    if Processes.here().world > 1:
        raise UnsupportedError(
            "a budget of latency in several processes",
            "budget.latency_us",
            "train in one process, or take --budget.energy-pj",
        )
    network = untrained(run, data)
    if start is not None:
        start_at(network, start)
    path = beside(folder, "-latency.json")
    return calibrated(run, network, data, path).spending(network)


def _say_latency(
    run: Run, network: nn.Module, data: DataSet, timing: Spending, counts: Counts
) -> None:
    """What the calibration says of the trained network, and what it takes now that it is there."""
    each = next(iter(timing.accumulation.values()), 0.0)
    said = timing.fixed + each * counts.acs / counts.samples
    took = latency_us(network, data, data.test.images.numpy())
    print(
        f"budget.latency_us={run.budget.latency_us:g}: {said:.4g} us on the test split by the line "
        f"that was timed before, {took:.4g} us measured on {TIMED} of its images, one at a time",
        file=sys.stderr,
    )


def _meet() -> None:
    """Wait until the first process, which alone measures and writes, has written."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def result_of(run: Run, data: DataSet, measured: Measured) -> Result:
    """What result.json says of one network."""
    return Result(
        command=command_line(),
        recipe=run.recipe,
        data=result_data(data_description(data)),
        seeds=(run.seed,),
        versions=versions(),
        host=host(torch.get_num_threads(), gpu_name()),
        shows=(),
        failures=(),
        rows=(replace(measured.row, seeds=(run.seed,)),),
        price_lists=price_lists(),
    )


def write_finished(folder: Path, result: Result, measured: Measured) -> None:
    """result.json goes last: a folder that has it has everything but its pages, made from it."""
    write_text(folder / COUNTS, json.dumps(measured.counts.to_json(), indent=1) + "\n")
    write_arrays(folder / DETAILS, measured.arrays)
    write_result(folder, result)
    write_report(folder)


def write_arrays(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_counts(folder: Path) -> Counts:
    """The exact counts of a finished run; a missing or damaged file is a ``RunFolderError``."""
    path = folder / COUNTS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RunFolderError(f"{folder} is no finished run: it has no {COUNTS}") from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error}): train the run again") from error
    return Counts.from_json(parse_json(content, str(path)), str(path))


def default_folder(run: Run) -> Path:
    return Path("runs") / f"{run.recipe or run.model.name}-s{run.seed}"


def command_line() -> str:
    """The command that is running, if it is one of ours."""
    name = os.path.basename(sys.argv[0])
    ours = name in ("s3nn", "__main__.py")
    return " ".join(["s3nn", *sys.argv[1:]]) if ours else "s3nn (Python API)"


def gpu_name() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def result_data(description: dict[str, Any]) -> Data:
    names = ("name", "checksum", "splits", "source", "licence")
    return Data(**{k: description[k] for k in names}, classes=tuple(description["classes"]))
