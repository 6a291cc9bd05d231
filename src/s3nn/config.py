"""A run: everything that decides what is trained, as one tree of frozen dataclasses.

The Python API, the command line and run.json share this definition.  It holds names and numbers
only and needs no torch.  Parts are written as specs: ``fire(threshold=0.5)``, ``integer(bits=4)``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from s3nn.decode import decode
from s3nn.errors import UsageError, unknown_name
from s3nn.registry import MODELS, NEURONS, SYNAPSES, Spec


@dataclass(frozen=True)
class Data:
    """Which images, and how they are shown."""

    name: str = "digits"
    """A data set (see `s3nn list data`), or folder:PATH with one folder of images a class."""
    folder: str | None = None
    """Where the original files of the data set are, if not in one of the usual places."""
    validation: float | None = None
    """Images held out to pick the model: a count, or a share below 1 (default: the data set's)."""
    flip: bool = False
    """Flip training images left to right, every other one."""
    shift: int = 0
    """Shift training images by up to so many pixels each way."""
    batch: int = 128
    """Images a step, over all processes."""


@dataclass(frozen=True)
class Model:
    """An architecture x a neuron x a synapse x a clock."""

    name: str = "cnn7"
    """The architecture (see `s3nn list models`)."""
    width: float = 1.0
    """A factor on the channels of every layer."""
    neuron: str = "fire"
    """The neuron and its options, e.g. "fire(threshold=0.5, surrogate=s3(alpha=5))"."""
    synapse: str = "real"
    """The synapse and its options, e.g. "integer(bits=4)"."""
    steps: int = 1
    """Time steps; 1 has no time axis."""


@dataclass(frozen=True)
class Optim:
    """How the weights are moved."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    """The highest learning rate of the schedule."""
    weight_decay: float = 5e-4
    """On synaptic weights only: thresholds, biases and batch-norm are left alone."""
    momentum: float = 0.9
    """Nesterov momentum of sgd."""
    schedule: Literal["constant", "cosine", "one_cycle"] = "one_cycle"
    warmup: float = 0.2
    """The share of the steps in which the learning rate rises."""
    label_smoothing: float = 0.0
    clip: float | None = None
    """The largest norm of the gradient; none: as it comes."""


@dataclass(frozen=True)
class Fit:
    """How long, where, and with what precision."""

    epochs: int = 10
    patience: int | None = None
    """Stop after so many epochs without a better validation accuracy."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Arithmetic of the training step; evaluation is always in 32 bits."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    threads: int | None = None
    """CPU threads of this process (default: the machine's cores)."""
    tensorboard: bool = False
    """Write TensorBoard events beside metrics.jsonl (needs the extra s3nn[tensorboard])."""


@dataclass(frozen=True)
class Run:
    """One training run, complete: the same Run and the same machine give the same weights."""

    recipe: str = ""
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    optim: Optim = field(default_factory=Optim)
    fit: Fit = field(default_factory=Fit)
    seed: int = 0

    def check(self) -> Run:
        """This run, or a ``UsageError`` for the first value that cannot be right."""
        _parts_exist(self.model)
        for name, value, least in (
            ("data.batch", self.data.batch, 1),
            ("data.shift", self.data.shift, 0),
            ("model.steps", self.model.steps, 1),
            ("fit.epochs", self.fit.epochs, 1),
            ("fit.patience", self.fit.patience, 1),
            ("fit.threads", self.fit.threads, 1),
            ("seed", self.seed, 0),
        ):
            if value is not None and value < least:
                raise UsageError(f"{name} must be {least} or more, got {value}")
        for name, number in (
            ("model.width", self.model.width),
            ("optim.lr", self.optim.lr),
            ("optim.clip", self.optim.clip),
        ):
            if number is not None and not number > 0:
                raise UsageError(f"{name} must be > 0, got {number}")
        for name, share in (
            ("optim.warmup", self.optim.warmup),
            ("optim.label_smoothing", self.optim.label_smoothing),
        ):
            if not 0 <= share < 1:
                raise UsageError(f"{name} is a share from 0 to below 1, got {share}")
        return self

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Run:
        """The run of a run.json, or a ``RunFolderError`` that names the key that does not fit."""
        run: Run = decode(cls, tree, "run")
        return run.check()

    def flat(self) -> dict[str, Any]:
        """``{"optim.lr": 0.1, ...}``: the settings by the names of their flags."""
        return dict(_flatten(asdict(self), ""))

    def differences(self, other: Run) -> list[str]:
        """The settings in which ``other`` is not this run, as ``name: mine -> other's``."""
        mine, theirs = self.flat(), other.flat()
        return [f"{k}: {mine[k]} -> {theirs[k]}" for k in mine if mine[k] != theirs[k]]

    def with_model(self, **changes: Any) -> Run:
        return replace(self, model=replace(self.model, **changes))


def _parts_exist(model: Model) -> None:
    for registry, spec in (
        (MODELS, model.name),
        (NEURONS, model.neuron),
        (SYNAPSES, model.synapse),
    ):
        name = Spec.parse(spec).name
        if name not in registry.entries:
            raise unknown_name(registry.kind, name, registry.entries)


def _flatten(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs
