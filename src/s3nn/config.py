"""A run: everything that decides what is trained, as one tree of frozen dataclasses.

The Python API, the command line and run.json share this definition.  It holds names and numbers
only and needs no torch.  Parts are written as specs: ``fire(threshold=0.5)``, ``integer(bits=4)``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from s3nn.decode import decode
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

LIMITS = ("firing_rate", "spikes", "energy_pj", "latency_us")
DEFAULT_PRICES = next(iter(PRICE_LISTS))


@dataclass(frozen=True)
class Data:
    """Which images, and how they are shown."""

    name: str = "digits"
    """A data set (see `s3nn list data`), or folder:PATH or events:PATH, one folder a class."""
    folder: str | None = None
    """Where the original files of the data set are, if not in one of the usual places."""
    validation: float | None = None
    """Images held out to pick the model: a count, or a share below 1 (default: the data set's)."""
    labels: int | None = None
    """Train on so many images only, drawn by class and by the run's seed (default: all)."""
    flip: bool = False
    """Flip training images left to right, every other one."""
    shift: int = 0
    """Shift training images by up to so many pixels each way."""
    cutout: int = 0
    """Blank a square of so many pixels a side, somewhere in each training image."""
    mixup: float = 0.0
    """Mix pairs of training images and their labels; alpha of the Beta(alpha, alpha) of shares."""
    crop: int | None = None
    """Side of the random crops of shards:PATH (default 224)."""
    workers: int = 0
    """Processes that read and decode the images of shards:PATH."""
    frames: int | None = None
    """Frames that each recording of events is cut into (see the encoder "frames")."""
    frames_by: Literal["time", "count"] = "time"
    """Frames that last equally long, or that have as many events."""
    frames_clip: int = 255
    """Counts of events above it are cut to it."""
    batch: int = 128
    """Images a step, over all processes."""


@dataclass(frozen=True)
class Model:
    """An architecture x a neuron x a synapse x a clock."""

    name: str = "cnn7"
    """The architecture (see `s3nn list models`), with options where it has some."""
    width: float = 1.0
    """A factor on the channels of every layer."""
    neuron: str = "fire"
    """The neuron and its options, e.g. "fire(threshold=0.5, surrogate=s3(alpha=5))"."""
    synapse: str = "real"
    """The synapse and its options, e.g. "integer(bits=4)"."""
    steps: int = 1
    """Time steps; 1 has no time axis."""
    encoder: str = "direct"
    """How an image becomes a sequence (see `s3nn list encoders`)."""
    output: str | None = None
    """Neurons behind the read-out, which are to answer by what they emit; none: it is linear."""
    readout: str = "mean"
    """How the outputs of the steps become one answer (see `s3nn list readouts`)."""


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
    schedule: Literal["constant", "cosine", "one_cycle", "exponential"] = "one_cycle"
    decay: float = 0.97
    """Factor on the learning rate an epoch, of the exponential schedule."""
    warmup: float = 0.2
    """The share of the steps in which the learning rate rises."""
    label_smoothing: float = 0.0
    clip: float | None = None
    """The largest norm of the gradient; none: as it comes."""
    bound: float | None = None
    """The largest magnitude of a synaptic weight; none: as it comes."""
    average: float = 0.0
    """Decay of a moving average of the weights, which is what is validated and kept; 0: none."""
    loss: str = "cross_entropy"
    """What the outputs are held against (see `s3nn list losses`), e.g. "tet(share=0.05)"."""
    rule: str = "backprop"
    """Where the gradients of hidden layers come from (see `s3nn list rules`), e.g. "brp"."""
    sharpen: float = 1.0
    """Factor on the slope of the surrogate, reached linearly at the last epoch."""


@dataclass(frozen=True)
class Fit:
    """How long, where, and with what precision."""

    epochs: int = 10
    patience: int | None = None
    """Stop after so many epochs without a better validation score."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Arithmetic of the training step; evaluation is always in 32 bits."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    step: Literal["plain", "lean", "compiled"] = "plain"
    """lean: keep spikes as bits and compute potentials again; compiled: and compile that part."""
    window: int | None = None
    """Time steps that go through a network in time together in training; none: all of them."""
    recompute: bool = False
    """Run windows again for their backward pass, so that memory need not grow with the steps."""
    truncate: bool = False
    """Pass no gradient from one window to the one before it."""
    accumulate: int = 1
    """Parts that a batch is computed in, one after the other, for memory."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """What several processes share: gradients, or (on GPUs) weights and optimiser too."""
    threads: int | None = None
    """CPU threads of this process (default: the machine's cores)."""
    tensorboard: bool = False
    """Write TensorBoard events beside metrics.jsonl (needs the extra s3nn[tensorboard])."""


@dataclass(frozen=True)
class Teacher:
    """A trained network to learn from: by its logits, and by starting at its weights.

    With a share ``lambda`` and a temperature ``t``, the loss is ``(1 - lambda) CE(labels) +
    lambda t^2 KL(softmax(teacher / t) || softmax(student / t))``.  Source: Hinton, Vinyals, Dean,
    "Distilling the knowledge in a neural network", arXiv 1503.02531.
    """

    row: str | None = None
    """The row that teaches (relu, ...): trained first, by this recipe without a teacher."""
    folder: str | None = None
    """A finished run that teaches, instead of a row; "{seed}" in it stands for the run's seed."""
    share: float = 0.5
    """How much of the loss follows the teacher; 0: labels only."""
    temperature: float = 4.0
    start: bool = False
    """Start at the teacher's weights."""

    @property
    def there(self) -> bool:
        return self.row is not None or self.folder is not None


@dataclass(frozen=True)
class Penalty:
    """What the loss pays for spikes: strength x Omega, the mean over the batch."""

    name: str | None = None
    """The penalty (see `s3nn list penalties`)."""
    strength: float | None = None
    """lambda in the loss; none where a budget is given, which finds its own."""
    p: float = 1.0
    """The power of a spike, 1 or more."""
    ramp: float = 0.0
    """The share of the training in which the strength rises linearly from 0."""


@dataclass(frozen=True)
class Budget:
    """What an inference may spend, one of these.  The price of a spike in the loss rises until it
    is met; epochs above it are kept only for want of another."""

    firing_rate: float | None = None
    """The largest mean firing rate, spikes a neuron."""
    spikes: float | None = None
    """Spikes an inference, of all hidden layers and steps."""
    energy_pj: float | None = None
    """Picojoules an inference."""
    prices: str = DEFAULT_PRICES
    """The price list of energy_pj (see `s3nn energy`)."""
    latency_us: float | None = None
    """Microseconds an inference takes as a compiled network on this machine, one thread."""

    @property
    def limit(self) -> tuple[str, float] | None:
        """What is limited and to how much: ("energy_pj", 2e5); None without a budget."""
        given = [(name, getattr(self, name)) for name in LIMITS]
        return next(((name, most) for name, most in given if most is not None), None)


@dataclass(frozen=True)
class Gates:
    """Trained gates in front of the hidden convolutions; they drop spikes, image by image."""

    spatial: bool = False
    """Drop blocks of 2x2 pixels."""
    channel: bool = False
    """Drop whole channels."""
    target: float = 0.85
    """The share of the spikes in front of a convolution that its gates let pass."""
    weight: float = 10.0
    """Of the loss that draws the share to its target."""

    @property
    def there(self) -> bool:
        return self.spatial or self.channel


@dataclass(frozen=True)
class Chip:
    """An analog chip that the network runs on, in training and in evaluation: see docs/chip.md."""

    seed: int | None = None
    """Which chip: its faults follow from this number; none: software."""
    mismatch: float = 0.15
    """The scale of what differs from neuron to neuron and from synapse to synapse."""
    noise: float = 0.024
    """Standard deviation of a membrane's noise, in thresholds."""
    jitter: float = 0.05
    """Standard deviation of the times of incoming spikes, in steps."""
    dead: float = 0.0
    """The share of neurons that never fire."""
    bits: int = 6
    """Of the magnitude of a weight."""
    sample_bits: int = 8
    """Of a sampled potential."""
    refractory: float = 1.2
    """The time a neuron is held after a spike, in steps."""
    substeps: int = 4
    """Finer time steps of the emulation in a step of the model."""
    neurons: int = 256
    """Neurons on the chip, of all layers together."""
    inputs: int = 256
    """The most inputs of a layer."""

    @property
    def there(self) -> bool:
        return self.seed is not None


@dataclass(frozen=True)
class Run:
    """One training run, complete: the same Run and the same machine give the same weights."""

    recipe: str = ""
    task: str = "classification"
    """What the network is asked (see `s3nn list tasks`), e.g. "denoising(sigma=25)"."""
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    optim: Optim = field(default_factory=Optim)
    fit: Fit = field(default_factory=Fit)
    teacher: Teacher = field(default_factory=Teacher)
    penalty: Penalty = field(default_factory=Penalty)
    budget: Budget = field(default_factory=Budget)
    gates: Gates = field(default_factory=Gates)
    chip: Chip = field(default_factory=Chip)
    seed: int = 0

    def check(self) -> Run:
        """This run, or a ``UsageError`` for the first value that cannot be right."""
        _parts_exist(self.task, self.model, self.optim)
        for name, (least, most) in _RANGES.items():
            value = self.flat()[name]
            if value is not None and not (value > 0 if least is None else value >= least):
                bound = "> 0" if least is None else f"{least} or more"
                raise UsageError(f"{name} must be {bound}, got {value}")
            if value is not None and most is not None and not value <= most:
                bound = "is a share and must be below 1" if most <= 1 else f"must be at most {most}"
                raise UsageError(f"{name} {bound}, got {value}")
        if self.data.shift and self.data.name.startswith("shards"):
            raise UsageError(
                f"data.shift={self.data.shift} moves images in memory; those of {self.data.name} "
                "are cut at random instead: pass --data.shift 0"
            )
        frames = self.data.frames
        in_frames = Spec.parse(self.model.encoder).name == "frames"
        if frames is not None and in_frames and frames % self.model.steps:
            raise UsageError(
                f"data.frames={frames} cannot be dealt to model.steps={self.model.steps} evenly: "
                f"take steps that divide {frames}, or cut the recordings into another number of "
                "frames"
            )
        if self.data.batch % self.fit.accumulate:
            raise UsageError(
                f"data.batch={self.data.batch} cannot be computed in "
                f"fit.accumulate={self.fit.accumulate} equal parts"
            )
        if (self.fit.recompute or self.fit.truncate) and self.fit.window is None:
            raise UsageError(
                "fit.recompute and fit.truncate are about windows of time steps: say how many "
                "steps are one, --fit.window 1"
            )
        if self.chip.there and (self.fit.window is not None or self.fit.step != "plain"):
            raise UsageError(
                "a chip runs all time steps at once and tells every layer's spikes: with "
                f"--chip.seed {self.chip.seed}, drop --fit.window and take --fit.step plain"
            )
        if self.teacher.row is not None and self.teacher.folder is not None:
            raise UsageError("teacher.row and teacher.folder both name a teacher: give one")
        _restrained(self)
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


# The least and the largest value; None as the least: above zero.
_BELOW_1 = math.nextafter(1.0, 0.0)
_RANGES: dict[str, tuple[float | None, float | None]] = {
    **dict.fromkeys(("data.batch", "data.crop", "data.frames", "data.labels"), (1, None)),
    **dict.fromkeys(("data.frames_clip", "model.steps", "fit.epochs"), (1, None)),
    **dict.fromkeys(("fit.patience", "fit.threads", "fit.accumulate", "fit.window"), (1, None)),
    **dict.fromkeys(("data.shift", "data.cutout", "data.mixup", "data.workers"), (0, None)),
    **dict.fromkeys(("seed", "optim.weight_decay"), (0, None)),
    **dict.fromkeys(
        ("model.width", "optim.lr", "optim.clip", "optim.bound", "optim.sharpen"), (None, None)
    ),
    "teacher.temperature": (None, None),
    **dict.fromkeys(("optim.warmup", "optim.label_smoothing", "optim.average"), (0, _BELOW_1)),
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
    "penalty.p": (1, None),
    "penalty.ramp": (0, _BELOW_1),
}


def _parts_exist(task: str, model: Model, optim: Optim) -> None:
    for registry, spec in (
        (TASKS, task),
        (MODELS, model.name),
        (NEURONS, model.neuron),
        (SYNAPSES, model.synapse),
        (ENCODERS, model.encoder),
        (READOUTS, model.readout),
        (LOSSES, optim.loss),
        (RULES, optim.rule),
        *([] if model.output is None else [(NEURONS, model.output)]),
    ):
        name = Spec.parse(spec).name
        if name not in registry.entries:
            error = unknown_name(registry.kind, name, registry.entries)
            if registry is not MODELS:
                raise error
            raise UsageError(f"{error}; a model of your own: --models FILE.py")


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
    if penalty.name not in PENALTIES.entries:
        raise unknown_name("penalty", penalty.name, PENALTIES.entries)
    if given and penalty.strength is not None:
        raise UsageError(
            f"penalty.strength={penalty.strength:g} fixes what {given[0]} adapts: give one of them"
        )
    if not given and penalty.strength is None:
        raise UsageError(
            f"penalty.name={penalty.name} needs its strength in the loss: --penalty.strength 1e-6"
        )
    if penalty.name == "hoyer" and penalty.p != 1:
        raise UsageError(f"penalty.p={penalty.p:g}: the hoyer penalty has no power, leave it at 1")


def _flatten(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs
