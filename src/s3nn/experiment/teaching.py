"""Who teaches a run, and where that network is kept."""

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
    folder = trained_in
    if run.teacher.folder is not None:
        folder = Path(run.teacher.folder.replace("{seed}", str(run.seed)))
    teacher = open_run(folder)
    if teacher.run.data.name != run.data.name:
        raise UsageError(
            f"the teacher in {folder} was trained on {teacher.run.data.name}, the run trains on "
            f"{run.data.name}: give a teacher of the same data set"
        )
    return teacher.network
