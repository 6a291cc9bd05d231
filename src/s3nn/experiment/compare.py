"""A network beside its twins: rows x seeds, each trained once, in one result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from s3nn.config import Run
from s3nn.errors import S3nnError, TrainingError, UsageError
from s3nn.experiment.combine import combine, merge_details, with_rivals
from s3nn.experiment.train import train
from s3nn.experiment.write import write_result
from s3nn.report.schema import Failure, Result, Row, read_result
from s3nn.rows import DEFAULT_ROWS, with_row


@dataclass(frozen=True)
class Cell:
    """One row with one seed, and the folder it lives in."""

    row: str
    seed: int
    run: Run
    folder: Path


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
    at a time.  What is finished is not trained again when the call is repeated; what fails is
    listed under ``failures`` and the others go on.

    Raises ``UsageError`` for rows or seeds that cannot be right, and ``TrainingError`` when no row
    could be trained.
    """
    folder = Path(out) if out is not None else Path("runs") / f"compare-{run.recipe}"
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    cells = plan(run, rows, numbers, folder)
    failures = _train_all(cells, jobs, progress)
    failed = {(failure.row, failure.seed) for failure in failures}
    done = [c for c in cells if (c.row, c.seed) not in failed]
    if not done:
        raise TrainingError(f"no row could be trained; the first says: {failures[0].error}")
    results = {(c.row, c.seed): read_result(c.folder) for c in done}
    combined: list[Row] = []
    for name in rows:
        of_row = [results[name, seed].rows[0] for seed in numbers if (name, seed) in results]
        if of_row:
            combined.append(replace(combine(of_row), name=name))
    firsts = {c.row: c.folder for c in reversed(done)}
    first = results[done[0].row, done[0].seed]
    result = replace(
        first,
        command=" ".join(["s3nn", *sys.argv[1:]]) if sys.argv[1:2] == ["compare"] else "",
        recipe=run.recipe,
        seeds=tuple(numbers),
        failures=tuple(failures),
        rows=tuple(with_rivals(combined, firsts)),
        shows=(),
    )
    write_result(folder, result, merge_details(firsts))
    return result


def plan(run: Run, rows: Sequence[str], seeds: Sequence[int], folder: Path) -> list[Cell]:
    """The cells in the order they are trained: all rows of a seed before the next seed."""
    for what, values in (("row", rows), ("seed", seeds)):
        if not values:
            raise UsageError(f"a comparison needs at least one {what}")
        if len(set(values)) != len(values):
            raise UsageError(f"a {what} is named twice: {', '.join(map(str, values))}")
    runs = {row: with_row(run, row) for row in rows}
    return [
        Cell(row, seed, replace(runs[row], seed=seed), folder / row / f"seed{seed}")
        for seed in seeds
        for row in rows
    ]


def _train_all(cells: Sequence[Cell], jobs: int, progress: bool) -> list[Failure]:
    """Train the cells, ``jobs`` at a time, each in a fresh process forked from a warm one."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["s3nn.experiment.train"])
    waiting, failures = list(cells), []
    running: dict[Connection, tuple[Cell, ForkServerProcess]] = {}
    say = _announcer(len(cells)) if progress else (lambda text: None)
    try:
        while waiting or running:
            while waiting and len(running) < max(1, jobs):
                cell = waiting.pop(0)
                say(f"{cell.row}, seed {cell.seed}")
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_train_cell, args=(cell, theirs, progress))
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
    return error if error is None or process.exitcode == 0 else f"{error} ({process.exitcode})"


def _train_cell(cell: Cell, connection: Connection, progress: bool) -> None:
    try:
        train(cell.run, cell.folder, progress=progress)
        connection.send(None)
    except (S3nnError, OSError, RuntimeError, ValueError, MemoryError) as error:
        connection.send(f"{type(error).__name__}: {error}")
