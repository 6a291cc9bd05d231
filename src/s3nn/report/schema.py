"""What result.json says: the one schema that training writes and every report is made from.

Fractions are of 1, energies in picojoules per inference, sizes in bytes or bits, times in seconds.
Operation counts are means over the test images and the seeds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3nn.decode import decode, encode, parse_json
from s3nn.energy.finding import Finding
from s3nn.energy.rivalry import Rival
from s3nn.errors import RunFolderError
from s3nn.files import write_text

Scalar = bool | int | float | str | None
SPARSE = {"sparse": True}  # of a field that is written where it says something


@dataclass(frozen=True)
class Measure:
    """A number measured once per seed; ``ci95`` is the half width of its 95 % interval."""

    mean: float
    ci95: float | None
    per_seed: tuple[float, ...]


@dataclass(frozen=True)
class Data:
    """The data set, its splits and whose it is."""

    name: str
    checksum: str
    splits: dict[str, int]
    source: str
    licence: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Show:
    """A claim of the study, the value that was measured, and the bar it had to reach."""

    claim: str
    value: Scalar
    bar: Scalar
    holds: bool


@dataclass(frozen=True)
class Failure:
    """A row and seed that gave no number, and why."""

    row: str
    seed: int
    error: str


@dataclass(frozen=True)
class Layer:
    """One layer's operations per inference; ``firing_rate`` is its output's, of neurons only."""

    name: str
    operation: str
    input_edge: str
    output_edge: str
    firing_rate: float | None
    macs: float
    acs: float
    adds: float
    neuron_updates: float
    energy_pj: dict[str, float]


@dataclass(frozen=True)
class Curves:
    """Learning curves: a list per seed, a number per epoch; null where it was not finite.

    The validation's score is an accuracy, or the PSNR of networks that answer with images.
    """

    train_loss: tuple[tuple[float | None, ...], ...]
    validation_loss: tuple[tuple[float | None, ...], ...]
    validation_accuracy: tuple[tuple[float | None, ...], ...] = field(default=(), metadata=SPARSE)
    validation_psnr_db: tuple[tuple[float | None, ...], ...] = field(default=(), metadata=SPARSE)


@dataclass(frozen=True)
class Potentials:
    """Histogram of a layer's membrane potential just before its neuron; bins+1 edges."""

    layer: str
    threshold: float
    edges: tuple[float, ...]
    counts: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1:
            raise RunFolderError(
                f"the potentials of layer {self.layer!r} have {len(self.edges)} edges and "
                f"{len(self.counts)} counts: write one edge more than counts"
            )


@dataclass(frozen=True)
class SurrogateCurve:
    """The surrogate derivative over the membrane potential, for drawing."""

    text: str
    u: tuple[float, ...]
    derivative: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.u) != len(self.derivative):
            raise RunFolderError(
                f"surrogate {self.text!r} has {len(self.u)} potentials and "
                f"{len(self.derivative)} derivatives: write as many of one as of the other"
            )


@dataclass(frozen=True)
class Confused:
    """A test image that the network got wrong, and how sure it was."""

    index: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True)
class ImageScores:
    """How near the pictures of a row come to the true ones, means over the test images.

    ``shown_psnr_db`` is that of what the network was shown; none where that was the true picture.
    """

    psnr_db: Measure
    ssim: Measure
    shown_psnr_db: float | None
    validation_psnr_db: Measure


@dataclass(frozen=True)
class PriceList:
    """Cited constants that turn operation counts into energy."""

    summary: str
    source: str
    constants: dict[str, Scalar]


@dataclass(frozen=True)
class Row:
    """One network of a comparison: what it is, what it reached, what it costs.

    A classifier has accuracies, a network that answers with images has ``images`` in their place.
    ``seeds`` are those behind its measures, in their order; files of before 0.1.0 lack them.
    """

    name: str
    neuron: str
    synapse: str
    steps: int
    accuracy: Measure | None
    firing_rate: float | None
    spikes_per_inference: float
    macs: float
    acs: float
    neuron_updates: float
    adds: float
    energy_pj: dict[str, float]
    parameters: int
    weight_bits: int
    train_s_per_epoch: float
    peak_mem_bytes: int
    validation_accuracy: Measure | None
    epochs: int
    layers: tuple[Layer, ...]
    curves: Curves
    potentials: tuple[Potentials, ...]
    surrogate: SurrogateCurve | None
    confusion: tuple[tuple[int, ...], ...]
    confused: tuple[Confused, ...]
    lint: tuple[Finding, ...]
    rivals: tuple[Rival, ...]
    settings: dict[str, Any]
    images: ImageScores | None = field(default=None, metadata=SPARSE)
    seeds: tuple[int, ...] = field(default=(), metadata=SPARSE)

    def __post_init__(self) -> None:
        if (self.accuracy is None) == (self.images is None):
            raise RunFolderError(
                f"row {self.name!r} needs an accuracy or the scores of its images, one of them"
            )
        if any(len(line) != len(self.confusion) for line in self.confusion):
            raise RunFolderError(
                f"the confusion matrix of row {self.name!r} is not square: "
                f"write classes x classes counts"
            )

    @property
    def score(self) -> Measure:
        """What the row is judged by, the higher the better: accuracy as a fraction, or PSNR."""
        found = self.accuracy if self.images is None else self.images.psnr_db
        assert found is not None
        return found

    @property
    def spikes(self) -> bool:
        """Whether this row's neurons fire; a ReLU row's do not."""
        return self.firing_rate is not None


@dataclass(frozen=True)
class Result:
    """All that one comparison, or one training run, measured.

    ``folder`` says where it was read from; it is not part of the file.
    """

    command: str
    recipe: str
    data: Data
    seeds: tuple[int, ...]
    versions: dict[str, Scalar]
    host: dict[str, Scalar]
    shows: tuple[Show, ...]
    failures: tuple[Failure, ...]
    rows: tuple[Row, ...]
    price_lists: dict[str, PriceList]
    folder: str = field(default="", metadata={"json": False}, compare=False)

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        """The seeds behind the measures of ``row``, in their order; none where they are unknown."""
        if row.seeds:
            return row.seeds
        return self.seeds if len(row.score.per_seed) == len(self.seeds) else ()

    def to_json(self) -> dict[str, Any]:
        """The JSON object of this result; numbers that are not finite become null."""
        encoded: dict[str, Any] = encode(self)
        return encoded

    @staticmethod
    def from_json(value: Any, where: str = "result") -> Result:
        """Read a JSON object; an unknown or missing key is a ``RunFolderError``."""
        result: Result = decode(Result, value, where)
        return result


def read_result(folder: Path) -> Result:
    """Read ``folder``/result.json."""
    path = Path(folder) / "result.json"
    try:
        value = parse_json(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise RunFolderError(
            f"{folder} holds no result.json: name a folder that s3nn train, compare or convert "
            "wrote (s3nn import writes none: s3nn energy has what such a run costs)"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error}): run it again") from None
    result: Result = decode(Result, value, str(path))
    object.__setattr__(result, "folder", str(folder))
    return result


def write_result(folder: Path, result: Result) -> Path:
    """Write ``folder``/result.json, after reading it back: what is written can be reported."""
    value = result.to_json()
    Result.from_json(value)
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return write_text(Path(folder) / "result.json", f"{text}\n")
