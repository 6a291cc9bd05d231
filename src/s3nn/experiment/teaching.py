"""Who teaches a run, where it starts, and where those networks are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from s3nn.config import Run, Teacher
from s3nn.data.base import DataSpec
from s3nn.errors import UsageError
from s3nn.experiment.trained import Trained, open_run
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


def open_teacher(run: Run, trained_in: Path, spec: DataSpec) -> nn.Module | None:
    """The network that teaches ``run`` on data of ``spec``, of its own folder or ``trained_in``."""
    if not run.teacher.there:
        return None
    folder, trained = _opened(run, "teacher", run.teacher.folder or str(trained_in))
    theirs, ours = (trained.shape, trained.classes), (tuple(spec.shape), tuple(spec.classes))
    if theirs != ours:
        raise UsageError(
            f"the teacher in {folder} knows images {theirs[0]} of {len(theirs[1])} classes, and "
            f"the run trains on {ours[0]} of {len(ours[1])}: give one of the very same"
        )
    return trained.network


def open_start(run: Run, teacher: nn.Module | None) -> nn.Module | None:
    """The network at whose weights ``run`` starts: of a folder, or its teacher's; None: anew."""
    if run.fit.start is not None:
        return _opened(run, "network to start at", run.fit.start)[1].network
    return teacher if run.teacher.start else None


def _opened(run: Run, what: str, name: str) -> tuple[Path, Trained]:
    folder = Path(name.replace("{seed}", str(run.seed)))
    trained = open_run(folder)
    if trained.run.data.name != run.data.name:
        raise UsageError(
            f"the {what} in {folder} was trained on {trained.run.data.name}, the run trains on "
            f"{run.data.name}: give one of the same data set"
        )
    return folder, trained
