"""A network beside its twins: rows x seeds, each trained once, in one result."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import current_process, get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s3nn.config import Run
from s3nn.energy import Counts, integer_rivals
from s3nn.errors import S3nnError, TrainingError, UsageError, sentence
from s3nn.experiment.claims import claims
from s3nn.experiment.combine import combine
from s3nn.experiment.teaching import teacher_run
from s3nn.experiment.train import DETAILS, command_line, read_counts, train, write_arrays
from s3nn.files import check_folder_place
from s3nn.losses import make_loss
from s3nn.neurons import make_neuron
from s3nn.own import add_models, added_files
from s3nn.registry import SYNAPSES
from s3nn.report import read_result, write_report, write_result
from s3nn.report.schema import Failure, Result, Row
from s3nn.report.write import PAGES
from s3nn.rows import DEFAULT_ROWS, row_of, with_row
from s3nn.training.folder import RESULT, RUN, describe


@dataclass(frozen=True)
class Cell:
    """One row with one seed, the folder it lives in, and the folder of its teacher."""

    row: str
    seed: int
    run: Run
    folder: Path
    teacher: Path


def compare(
    run: Run,
    rows: Sequence[str] = DEFAULT_ROWS,
    seeds: int | Sequence[int] = 3,
    out: Path | str | None = None,
    *,
    jobs: int = 1,
    progress: bool = True,
) -> Result:
    """Train every row with every seed and write one result.json and one page.

    ``rows`` are names as in ``s3nn.rows``; ``seeds`` a number (0, 1, ...) or the seeds themselves.
    Each row and seed is trained in a process and a folder of its own, ``OUT/ROW/seedN``, ``jobs``
    at a time; the teacher of a recipe that has one comes first, in ``OUT/teacher/seedN``, and
    teaches every row.  What is finished is not trained again when the call is repeated; what fails
    is listed under ``failures`` and the others go on.

    Such a process imports the script that calls: keep the call under ``if __name__ == "__main__"``.

    Raises ``UsageError`` for rows or seeds that cannot be right, and ``TrainingError`` when no row
    could be trained.
    """
    if getattr(current_process(), "_inheriting", False):  # a cell's process runs the script again
        os._exit(_CALLED_AGAIN)
    folder = Path(out) if out is not None else default_folder(run)
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if jobs < 1:
        raise UsageError(f"a comparison trains 1 network at a time or more, got jobs={jobs}")
    _check_sockets(Path(tempfile.gettempdir()))
    cells = plan(run, rows, numbers, folder)
    _claim(folder, run)
    lessons = teachers(cells)
    failures = _train_all(lessons, jobs, progress) if lessons else []
    untaught = {failure.seed for failure in failures}
    failures += _train_all([c for c in cells if c.seed not in untaught], jobs, progress)
    failed = {(failure.row, failure.seed) for failure in failures}
    done = [
        cell for cell in cells if (cell.row, cell.seed) not in failed and cell.seed not in untaught
    ]
    if not done:
        raise TrainingError(f"no row could be trained; the first says: {failures[0].error}")
    result = _assemble(run, rows, numbers, done, failures)
    firsts = {cell.row: cell.folder for cell in reversed(done)}
    write_arrays(folder / DETAILS, _arrays(firsts))
    result = _with_rivals(result, done)
    write_result(folder, replace(result, shows=claims(result)))
    write_report(folder)
    return read_result(folder)


LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes of its path


def _check_sockets(temporary: Path) -> None:
    """A ``UsageError`` where the socket by which a comparison starts its processes has no place."""
    name = "pymp-12345678/listener-12345678"  # as multiprocessing has it
    most = LONGEST_SOCKET - len(f"/{name}")
    if len(os.fsencode(temporary)) > most:
        raise UsageError(
            f"TMPDIR is too long for the socket of a comparison's processes ({temporary} has more "
            f"than {most} bytes): set a shorter one, such as TMPDIR=/tmp"
        )


def _claim(folder: Path, run: Run) -> None:
    """Leave a folder alone that holds something else than a comparison of this recipe."""
    check_folder_place(folder)
    if (folder / RUN).exists():
        raise UsageError(f"{folder} holds a run, and no comparison: choose another --out")
    if (folder / RESULT).exists():
        try:
            recipe = read_result(folder).recipe
        except S3nnError as error:
            raise UsageError(f"{error}; choose another --out") from None
        if recipe != run.recipe:
            raise UsageError(f"{folder} holds a comparison of {recipe}: choose another --out")
    elif pages := [page for page in PAGES if (folder / page).exists()]:
        raise UsageError(f"{folder} has a {pages[0]} of something else: choose another --out")


def default_folder(run: Run) -> Path:
    return Path("runs") / f"compare-{run.recipe or run.model.name}"


def plan(run: Run, rows: Sequence[str], seeds: Sequence[int], folder: Path) -> list[Cell]:
    """The cells in the order they are trained: all rows of a seed before the next seed."""
    for what, values in (("row", rows), ("seed", seeds)):
        if not values:
            raise UsageError(f"a comparison needs at least one {what}")
        if len(set(values)) != len(values):
            raise UsageError(f"a {what} is named twice: {', '.join(map(str, values))}")
    runs = {row: _of_row(with_row(run, row), row) for row in rows}
    for row in runs.values():  # or the options of a part are read only in its process
        make_neuron(row.model.neuron, channels=1)
        SYNAPSES.build(row.model.synapse)
        make_loss(row.optim.loss).check_steps(row.model.steps)
    return [
        Cell(
            row,
            seed,
            replace(runs[row], seed=seed),
            folder / row / f"seed{seed}",
            folder / "teacher" / f"seed{seed}",
        )
        for seed in seeds
        for row in rows
    ]


def _of_row(run: Run, row: str) -> Run:
    """``run`` with the name of its row in the folders that it begins at."""
    teacher, start = run.teacher.folder, run.fit.start
    if teacher is not None:
        run = replace(run, teacher=replace(run.teacher, folder=teacher.replace("{row}", row)))
    if start is not None:
        run = replace(run, fit=replace(run.fit, start=start.replace("{row}", row)))
    return run


def teachers(cells: Sequence[Cell]) -> list[Cell]:
    """The teachers of ``cells``, one a seed for all rows, to be trained before them."""
    found = {cell.teacher: (cell, teacher_run(cell.run)) for cell in cells}
    return [
        Cell(f"teacher {row_of(run)}", cell.seed, run, folder, folder)
        for folder, (cell, run) in found.items()
        if run is not None
    ]


def _assemble(
    run: Run, names: Sequence[str], seeds: Sequence[int], done: list[Cell], failures: list[Failure]
) -> Result:
    results = {(cell.row, cell.seed): read_result(cell.folder) for cell in done}
    rows: list[Row] = []
    for name in names:
        of_row = [results[name, seed].rows[0] for seed in seeds if (name, seed) in results]
        if of_row:
            of_seeds = tuple(seed for seed in seeds if (name, seed) in results)
            rows.append(replace(combine(of_row), name=name, seeds=of_seeds))
    return replace(
        results[done[0].row, done[0].seed],
        command=command_line(),
        recipe=run.recipe,
        seeds=tuple(seeds),
        failures=tuple(failures),
        rows=tuple(rows),
    )


def _with_rivals(result: Result, done: Sequence[Cell]) -> Result:
    """The spiking rows held against the integer form of the measured ReLU row, if there is one.

    The counts of both are those of all seeds that both have, together.
    """
    folders = {(cell.row, cell.seed): cell.folder for cell in done}

    def of(row: str, seeds: Sequence[int]) -> Counts:
        counts = [read_counts(folders[row, seed]) for seed in seeds]
        return sum(counts[1:], counts[0])

    rows = []
    for row in result.rows:
        shared = [seed for seed in row.seeds if ("relu", seed) in folders]
        if row.spikes and shared:
            found = integer_rivals(of(row.name, shared), of("relu", shared))
            row = replace(row, rivals=found)
        rows.append(row)
    return replace(result, rows=tuple(rows))


def _arrays(folders: dict[str, Path]) -> dict[str, NDArray[np.generic]]:
    """The arrays of every row's first seed under the row's name; the images are the same."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for row, folder in folders.items():
        own = row_of(describe(folder).run)
        with np.load(folder / DETAILS, allow_pickle=False) as archive:
            for key in archive.files:
                arrays[key.replace(f"/{own}", f"/{row}", 1)] = archive[key]
    return arrays


def _train_all(cells: Sequence[Cell], jobs: int, progress: bool) -> list[Failure]:
    """Train the cells, ``jobs`` at a time, each in a fresh process forked from a warm one."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["s3nn.experiment.train"])
    waiting, failures = list(cells), []
    running: dict[Connection, tuple[Cell, ForkServerProcess]] = {}
    own = added_files()
    say = _announcer(len(cells)) if progress else (lambda text: None)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                say(f"{cell.row}, seed {cell.seed}")
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_train_cell, args=(cell, theirs, progress, own))
                process.start()
                theirs.close()
                running[ours] = (cell, process)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                cell, process = running.pop(ready)
                error = _outcome(ready, process)
                if error is not None:
                    say(f"{cell.row}, seed {cell.seed} FAILED: {error}")
                    failures.append(Failure(cell.row, cell.seed, error))
    finally:
        for _, process in running.values():
            process.terminate()
    return failures


_CALLED_AGAIN = 87  # an exit code of ours


def _announcer(cells: int) -> Callable[[str], None]:
    def say(text: str) -> None:
        print(f"[s3nn] {text}", file=sys.stderr, flush=True)

    say(f"{cells} trainings")
    return say


def _outcome(connection: Connection, process: ForkServerProcess) -> str | None:
    """The error of a cell's process, or None."""
    try:
        error: str | None = connection.recv()
    except EOFError:
        error = "the process ended without a word"
    process.join()
    if process.exitcode == _CALLED_AGAIN:
        return 'its process ran the script again: call compare under if __name__ == "__main__":'
    return error if error is None or process.exitcode == 0 else f"{error} ({process.exitcode})"


def _follow_parent() -> None:
    """End this process with the one that started it, however that ended."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train_cell(cell: Cell, connection: Connection, progress: bool, own: Sequence[str]) -> None:
    """In the cell's process: train, then send the error, or None.

    ``own`` are the files of the user's own models that were added before.
    """
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        for file in own:
            add_models(file)
        train(cell.run, cell.folder, teacher=cell.teacher, progress=progress)
        connection.send(None)
    except KeyboardInterrupt:
        connection.close()  # the parent was interrupted too, and says so
    except Exception as error:
        said = sentence(error)
        if said is None:
            traceback.print_exc()
        connection.send(said or f"{type(error).__name__}: {error}")
