"""What a run may say: values in range, parts that exist, settings that go together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from s3nn.config.sections import LIMITS
from s3nn.energy.prices import PRICE_LISTS
from s3nn.errors import UsageError, unknown_name
from s3nn.registry import (
    ENCODERS,
    LOSSES,
    MODELS,
    NEURONS,
    PENALTIES,
    READOUTS,
    RULES,
    SYNAPSES,
    TASKS,
    Spec,
)

if TYPE_CHECKING:
    from s3nn.config.run import Run

# The least and the largest value; None as the least: above zero.
_BELOW_1 = math.nextafter(1.0, 0.0)
_RANGES: dict[str, tuple[float | None, float | None]] = {
    **dict.fromkeys(("data.batch", "data.crop", "data.frames", "data.labels"), (1, None)),
    **dict.fromkeys(("data.frames_clip", "model.steps", "fit.epochs"), (1, None)),
    **dict.fromkeys(("fit.patience", "fit.accumulate", "fit.window"), (1, None)),
    "fit.threads": (1, 1024),
    "teacher.epochs": (1, None),
    **dict.fromkeys(("data.shift", "data.cutout", "data.mixup", "data.workers"), (0, None)),
    "seed": (0, 2**32 - 1),
    "optim.weight_decay": (0, None),
    **dict.fromkeys(
        ("model.width", "optim.lr", "optim.clip", "optim.bound", "optim.sharpen"), (None, None)
    ),
    "teacher.temperature": (None, None),
    **dict.fromkeys(
        ("optim.warmup", "optim.label_smoothing", "optim.average", "optim.momentum"), (0, _BELOW_1)
    ),
    **dict.fromkeys(("teacher.share",), (0, 1)),
    "budget.firing_rate": (None, _BELOW_1),
    "gates.target": (None, 1),
    "optim.decay": (None, 1),
    **dict.fromkeys(
        ("chip.seed", "chip.mismatch", "chip.noise", "chip.jitter", "chip.refractory"), (0, None)
    ),
    **dict.fromkeys(("chip.substeps", "chip.neurons", "chip.inputs"), (1, None)),
    "chip.bits": (1, 15),
    "chip.sample_bits": (1, 24),
    "chip.dead": (0, 1),
    "gates.weight": (0, None),
    **dict.fromkeys(("budget.spikes", "budget.energy_pj", "budget.latency_us"), (None, None)),
    "penalty.strength": (0, None),
    "penalty.ramp": (0, _BELOW_1),
}


def check(run: Run) -> None:
    """Raise a ``UsageError`` for the first value of ``run`` that cannot be right."""
    _parts_exist(run)
    _in_range(run)
    _go_together(run)
    _restrained(run)


def _parts_exist(run: Run) -> None:
    """A ``UsageError`` for the name of a part that there is not."""
    model, optim = run.model, run.optim
    for registry, spec in (
        (TASKS, run.task),
        (MODELS, model.name),
        (NEURONS, model.neuron),
        (SYNAPSES, model.synapse),
        (ENCODERS, model.encoder),
        (READOUTS, model.readout),
        (LOSSES, optim.loss),
        (RULES, optim.rule),
        *([] if model.output is None else [(NEURONS, model.output)]),
        *([] if run.penalty.name is None else [(PENALTIES, run.penalty.name)]),
    ):
        name = Spec.parse(spec).name
        if name not in registry.entries:
            error = unknown_name(registry.kind, name, registry.entries)
            if registry is not MODELS:
                raise error
            raise UsageError(f"{error}; a model of your own: --models FILE.py")


def _in_range(run: Run) -> None:
    """A ``UsageError`` for a number that is too small or too large."""
    settings = run.flat()
    for name, (least, most) in _RANGES.items():
        value = settings[name]
        if value is not None and not (value > 0 if least is None else value >= least):
            bound = "> 0" if least is None else f"{least} or more"
            raise UsageError(f"{name} must be {bound}, got {value}")
        if value is not None and most is not None and not value <= most:
            share = "is a share and must be below 1"
            bound = share if most == _BELOW_1 else f"must be at most {most}"
            raise UsageError(f"{name} {bound}, got {value}")


def _go_together(run: Run) -> None:
    """A ``UsageError`` for settings that contradict each other."""
    if run.data.shift and run.data.name.startswith("shards"):
        raise UsageError(
            f"data.shift={run.data.shift} moves images in memory; those of {run.data.name} "
            "are cut at random instead: pass --data.shift 0"
        )
    frames = run.data.frames
    in_frames = Spec.parse(run.model.encoder).name == "frames"
    if frames is not None and in_frames and frames % run.model.steps:
        raise UsageError(
            f"data.frames={frames} cannot be dealt to model.steps={run.model.steps} evenly: "
            f"take steps that divide {frames}, or cut the recordings into another number of "
            "frames"
        )
    if run.data.batch % run.fit.accumulate:
        raise UsageError(
            f"data.batch={run.data.batch} cannot be computed in "
            f"fit.accumulate={run.fit.accumulate} equal parts"
        )
    if (run.fit.recompute or run.fit.truncate) and run.fit.window is None:
        raise UsageError(
            "fit.recompute and fit.truncate are about windows of time steps: say how many "
            "steps are one, --fit.window 1"
        )
    if run.fit.step == "events" and run.fit.precision == "16":
        raise UsageError(
            "fit.step=events is for a CPU and fit.precision=16 is not: pass --fit.precision 32 or "
            "bf16, or --fit.step compiled"
        )
    if run.chip.there and (run.fit.window is not None or run.fit.step != "plain"):
        raise UsageError(
            "a chip runs all time steps at once and tells every layer's spikes: with "
            f"--chip.seed {run.chip.seed}, drop --fit.window and take --fit.step plain"
        )
    if run.teacher.row is not None and run.teacher.folder is not None:
        raise UsageError("teacher.row and teacher.folder both name a teacher: give one")
    if run.teacher.start and run.fit.start is not None:
        raise UsageError("teacher.start and fit.start both say where training starts: give one")
    if run.teacher.epochs is not None and run.teacher.row is None:
        raise UsageError(
            f"teacher.epochs={run.teacher.epochs} is of a teacher that is trained first: name its "
            "row, --teacher.row relu"
        )


def _restrained(run: Run) -> None:
    """A ``UsageError`` for a penalty and a budget that do not make one restraint."""
    penalty, budget = run.penalty, run.budget
    given = [f"budget.{name}" for name in LIMITS if getattr(budget, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are budgets of one training: give one of them")
    if budget.prices not in PRICE_LISTS:
        raise unknown_name("price list", budget.prices, PRICE_LISTS)
    if penalty.name is None:
        if penalty.strength is not None:
            raise UsageError(
                f"penalty.strength={penalty.strength:g} is the strength of nothing: say of what, "
                "--penalty.name synaptic"
            )
        return
    if given and penalty.strength is not None:
        raise UsageError(
            f"penalty.strength={penalty.strength:g} fixes what {given[0]} adapts: give one of them"
        )
    if not given and penalty.strength is None:
        raise UsageError(
            f"penalty.name={penalty.name} needs its strength in the loss: --penalty.strength 1e-6"
        )
