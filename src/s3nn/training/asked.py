"""What a run asks of its network, and whether its parts go with that."""

from __future__ import annotations

from collections.abc import Sequence

from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.errors import UsageError
from s3nn.registry import LOSSES, MODELS, READOUTS, TASKS, Registry, Spec
from s3nn.tasks import Task

# What parts of a registry declare, by the setting that names one.
_DECLARED = {"model.name": (MODELS, "answers_images"), "optim.loss": (LOSSES, "of_images")}


def asked(run: Run, data: DataSet) -> Task:
    """The task of ``run`` on ``data``; parts that do not go with it are a ``UsageError``."""
    spec, side = data.spec, min(data.spec.shape[1:])
    for name, pixels in (("shift", run.data.shift), ("cutout", run.data.cutout)):
        if pixels > side:
            raise UsageError(
                f"data.{name}={pixels} leaves nothing of some images, which are "
                f"{spec.shape[1]} x {spec.shape[2]} pixels: pass {side} at most"
            )
    return task_of(run, len(spec.classes), spec.mean, spec.std)


def task_of(run: Run, classes: int, mean: Sequence[float], std: Sequence[float]) -> Task:
    """The task of ``run``, on images of some classes that are normalised by ``mean`` and ``std``.

    Raises ``UsageError`` for parts of the run that answer another kind of question.

    >>> task_of(Run(), classes=10, mean=[0.5], std=[0.5]).score
    'accuracy'
    """
    task: Task = TASKS.build(run.task, classes=classes, mean=tuple(mean), std=tuple(std))
    wanted, other = ("an image", "logits") if task.of_images else ("logits", "images")
    for setting, (registry, declares) in _DECLARED.items():
        spec = Spec.parse(run.flat()[setting])
        if getattr(registry.get(spec.name), declares) != task.of_images:
            raise UsageError(
                f"task={run.task} asks for {wanted} and {setting}={spec} is of {other}: "
                f"take --{setting} {_fitting(registry, declares, task.of_images)}"
            )
    if task.of_images:
        _no_classes(run)
    return task


def _fitting(registry: Registry, declares: str, of_images: bool) -> str:
    """The first part of a registry that goes with a task."""
    return next(n for n in registry.names() if getattr(registry.get(n), declares) == of_images)


def _no_classes(run: Run) -> None:
    """A ``UsageError`` for settings that are about labels and classes."""
    readout = READOUTS.get(Spec.parse(run.model.readout).name)
    for name, given, instead in (
        ("data.mixup", run.data.mixup > 0, "0"),
        ("data.cutout", run.data.cutout > 0, "0"),
        ("optim.label_smoothing", run.optim.label_smoothing > 0, "0"),
        ("teacher.share", run.teacher.there and run.teacher.share > 0, "0"),
        ("model.output", run.model.output is not None, "None"),
        ("model.readout", readout.of_classes, "mean"),
    ):
        if given:
            raise UsageError(
                f"{name}={run.flat()[name]} is about classes and task={run.task} has none: "
                f"pass --{name.replace('_', '-')} {instead}"
            )
