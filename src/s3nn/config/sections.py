"""The sections of a run: names and numbers, and what each means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from s3nn.energy.prices import PRICE_LISTS

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
    size: tuple[int, int] | None = None
    """Height and width to which the images of folder:PATH are resized (default: they agree)."""
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
    """Nesterov momentum of sgd; the schedule one_cycle moves it, 0.9 between 0.85 and 0.95."""
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
    precision: Literal["auto", "32", "bf16", "16"] = "32"
    """Arithmetic of the training step (auto: bf16 where this machine is faster in it, else 32);
    evaluation is always in 32 bits."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    step: Literal["plain", "lean", "compiled", "events"] = "plain"
    """lean: keep spikes as bits and compute potentials again; compiled: and compile that part;
    events: and convolve on a CPU by adding up what fired."""
    start: str | None = None
    """A finished run whose weights training starts at, another than the teacher's; "{seed}" in it
    stands for the run's seed, and in a comparison "{row}" for the row's name."""
    window: int | None = None
    """Time steps that go through a network in time together in training; none: all of them."""
    recompute: bool = False
    """Run windows again for their backward pass, so that memory hardly grows with the steps."""
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
    epochs: int | None = None
    """Epochs of the row that teaches (default: the recipe's); one that stops early has not learned
    its training images by heart, and says more about them."""
    folder: str | None = None
    """A finished run that teaches, instead of a row; "{seed}" in it stands for the run's seed, and
    in a comparison "{row}" for the row's name."""
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
    """The penalty (see `s3nn list penalties`), e.g. "synaptic(p=2)"."""
    strength: float | None = None
    """lambda in the loss; none where a budget is given, which finds its own."""
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
    """The share of neurons whose spikes never come; they still integrate."""
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
