"""Who teaches a run, where it starts, and where those networks are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from s3nn.config import Run, Teacher
from s3nn.errors import UsageError
from s3nn.experiment.trained import open_run
from s3nn.rows import with_row


def teacher_run(run: Run) -> Run | None:
    """The run whose network teaches ``run`` and is trained for it: the row, the same recipe.

    >>> from s3nn.config import Model
    >>> learner = Run(model=Model(neuron="fire"), teacher=Teacher(row="relu", epochs=3))
    >>> of = teacher_run(learner)
    >>> of.model.neuron, of.fit.epochs, of.teacher.row
    ('relu', 3, None)
    """
    if run.teacher.row is None:
        return None
    fit = replace(run.fit, epochs=run.teacher.epochs or run.fit.epochs)
    return with_row(replace(run, fit=fit, teacher=Teacher()), run.teacher.row)


def open_teacher(run: Run, trained_in: Path) -> nn.Module | None:
    """The network that teaches ``run``, from its own folder or from ``trained_in``."""
    if not run.teacher.there:
        return None
    return _opened(run, "teacher", run.teacher.folder or str(trained_in))


def open_start(run: Run, teacher: nn.Module | None) -> nn.Module | None:
    """The network at whose weights ``run`` starts: of a folder, or its teacher's; None: anew."""
    if run.fit.start is not None:
        return _opened(run, "network to start at", run.fit.start)
    return teacher if run.teacher.start else None


def _opened(run: Run, what: str, name: str) -> nn.Module:
    folder = Path(name.replace("{seed}", str(run.seed)))
    trained = open_run(folder)
    if trained.run.data.name != run.data.name:
        raise UsageError(
            f"the {what} in {folder} was trained on {trained.run.data.name}, the run trains on "
            f"{run.data.name}: give one of the same data set"
        )
    return trained.network
