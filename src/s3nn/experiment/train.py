"""Train a run and write everything that is known of it into its folder."""

from __future__ import annotations

import resource
import shlex
import sys
from pathlib import Path

import torch

from s3nn.config import Run
from s3nn.experiment.measure import measure, write_details
from s3nn.experiment.trained import load_data
from s3nn.files import write_text
from s3nn.report import write_report
from s3nn.report.schema import Data, PriceList, Result, Row, dump_result, read_result
from s3nn.rows import row_of
from s3nn.train.fit import Processes, data_description, fit
from s3nn.versions import host, versions


def train(run: Run, out: Path | str | None = None, *, progress: bool = True) -> Result:
    """Train ``run`` in the folder ``out`` (default ``runs/RECIPE-sSEED``), measure it, report it.

    The network is picked on the validation split; the test split is read once.  A folder that
    holds this run begun is resumed from its last epoch; finished, its result is read back.

    Returns the ``Result`` that result.json holds, with one row.  Raises ``UsageError`` for what
    cannot be right and ``TrainingError`` when the loss stops being finite.
    """
    folder = Path(out) if out is not None else default_folder(run)
    run.check()
    if (folder / "result.json").is_file() and (folder / "run.json").is_file():
        from s3nn.train.folder import claim

        claim(folder, run)
        return read_result(folder)
    data = load_data(run)
    fitted = fit(run, folder, data, progress=progress)
    peak = peak_memory_bytes()
    if Processes.here().rank != 0:
        return read_nothing(run)
    name = row_of(run)
    row, details = measure(name, run, fitted, data, peak_mem_bytes=peak)
    write_details(folder, name, details)
    result = assemble(run, data_description(data), (run.seed,), (row,))
    write_text(folder / "result.json", dump_result(result))
    write_report(folder)
    return result


def default_folder(run: Run) -> Path:
    return Path("runs") / f"{run.recipe or run.model.name}-s{run.seed}"


def peak_memory_bytes() -> int:
    """The most memory held: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
