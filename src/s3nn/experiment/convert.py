"""A trained run converted: a run folder of the spiking network, and what each step was worth."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from s3nn.clock import Unroll
from s3nn.clock.readouts.delayed import Delayed
from s3nn.config import Run
from s3nn.conversion import Score, best_delay, convert, run_by_steps
from s3nn.conversion.steps import right
from s3nn.data import Batches, DataSet, Stream
from s3nn.data.base import Split
from s3nn.data.batches import normalise
from s3nn.errors import RunFolderError, UnsupportedError, UsageError
from s3nn.experiment.measure import measure
from s3nn.experiment.train import result_of, write_finished
from s3nn.experiment.trained import Trained, open_run
from s3nn.files import beside, write_text
from s3nn.neurons import Neuron
from s3nn.registry import Spec
from s3nn.report import complete_report, read_result
from s3nn.report.schema import Result
from s3nn.rows import row_of
from s3nn.tasks import Pictures, Posed, Task, psnr_db
from s3nn.training import folder as files
from s3nn.training.memory import peak_memory_bytes
from s3nn.versions import versions

AT_ONCE = 1000  # images times steps

Delay = int | Literal["depth", "validation"]


@dataclass(frozen=True)
class Settings:
    """How a run is converted; the parts are those of ``s3nn.conversion.convert``."""

    steps: int = 32
    precharge: tuple[float, ...] = (0.5,)
    delay: Delay = 0
    """t_d: so many steps, as many as there are layers of neurons, or what validation picks."""
    percentile: float = 99.9
    images: int = 500
    """Training images that the thresholds come from, drawn by the run's seed."""


@dataclass(frozen=True)
class Converted:
    """The result of a converted network, and its scores on validation images by its steps.

    Scores are accuracy or PSNR, of t_d = 0 and of the chosen ``after`` (none yet before that step);
    ``spikes`` are an image's of each step; ``parent`` is the score of the ReLU network there.
    """

    result: Result
    after: int
    parent: float
    scores: tuple[float, ...]
    delayed: tuple[float | None, ...]
    spikes: tuple[float, ...]


def convert_run(parent: Path, settings: Settings, out: Path | None = None) -> Converted:
    """Convert the trained network in the folder ``parent`` into the run folder ``out``.

    Everything is decided on training and validation images; the test split is read once, as in
    training.  The folder (default ``PARENT-iaf-tT``) is one that ``open_run`` takes; a folder that
    holds this very conversion is read back, any other is an error.
    """
    folder = out or beside(parent, f"-iaf-t{settings.steps}")
    trained = open_run(parent)
    there = _read_back(folder, parent, settings)
    if there is not None:
        return there
    begun = time.perf_counter()
    data = trained.data()
    network = converted(trained, data, settings)
    task = trained.task
    seen = run_by_steps(network, posed(data.validation, trained, settings.steps), score_of(task))
    if settings.delay == "validation":
        network.over_time = Delayed(settings.steps, best_delay(seen.scores, settings.steps))
    assert isinstance(network.over_time, Delayed)
    after = network.over_time.after
    run = _described(trained.run, settings, after)
    line = {
        "train_loss": float("nan"),  # nothing was trained
        "validation_loss": float("nan"),
        f"validation_{task.score}": float(seen.scores[after, -1]),
        files.SCORE: float(seen.scores[after, -1]),
        "seconds": time.perf_counter() - begun,
        "peak_mem_bytes": float(peak_memory_bytes()),
    }
    measured = measure(row_of(run), run, network, data, [line])
    measured = replace(measured, row=replace(measured.row, epochs=0))
    found = Converted(
        result=result_of(run, data, measured),
        after=after,
        parent=trained.score(data.validation),
        scores=tuple(seen.scores[0].tolist()),
        delayed=tuple(None if t < after else float(a) for t, a in enumerate(seen.scores[after])),
        spikes=tuple(seen.spikes.sum(0).tolist()),
    )
    folder.mkdir(parents=True, exist_ok=True)
    files.write_run(folder, run, files.data_description(data), versions())
    files.write_weights(folder, network)
    tree = {**_told(parent, settings), **{k: v for k, v in asdict(found).items() if k != "result"}}
    write_text(folder / files.CONVERSION, json.dumps(tree, indent=1) + "\n")
    write_finished(folder, found.result, measured)
    return found


def converted(trained: Trained, data: DataSet, settings: Settings) -> Unroll:
    """The spiking network of a trained one, its thresholds from some training images."""
    if isinstance(data.train, Stream):
        raise UnsupportedError(
            "converting a network of images that are streamed",
            data.spec.name,
            "thresholds need training images in memory: convert in Python (s3nn.convert)",
        )
    if settings.images < 1:
        raise UsageError(f"thresholds need 1 training image or more, got images={settings.images}")
    generator = torch.Generator().manual_seed(trained.run.seed)
    drawn = torch.randperm(len(data.train), generator=generator)[: settings.images]
    return convert(
        trained.network,
        normalise(data.train.images[drawn], trained.mean, trained.std),
        steps=settings.steps,
        precharge=settings.precharge,
        after=_after(settings.delay, trained.network),
        percentile=settings.percentile,
    )


def posed(split: Split, trained: Trained, steps: int) -> Posed:
    """A split as the task poses it, in batches whose steps fit into memory together."""
    size = max(1, AT_ONCE // steps)
    clean = Batches(split, batch_size=size, mean=trained.mean, std=trained.std)
    return Posed(clean, trained.task)


def score_of(task: Task) -> Score:
    """What the answers to images are worth, an image at a time: right or wrong, or PSNR in dB."""
    if not isinstance(task, Pictures):
        return right
    return lambda answers, shown, wanted: psnr_db(
        task.says(shown, answers.float()), task.says(shown, wanted)
    )


def _after(delay: Delay, parent: nn.Module) -> int:
    """t_d, as far as it is known before the network has run."""
    if delay == "depth":
        return sum(isinstance(module, Neuron) for module in parent.modules())
    return 0 if delay == "validation" else delay


def _described(run: Run, settings: Settings, after: int) -> Run:
    """The run whose network is the converted one."""
    kappa = max(settings.precharge)
    options = (("precharge", kappa),) if kappa else ()
    neuron = Spec("iaf", (*options, ("pool", Spec("charge"))))
    readout = Spec("delayed", (("after", after),))
    return run.with_model(neuron=str(neuron), readout=str(readout), steps=settings.steps).check()


def _told(parent: Path, settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps({"of": str(parent), "settings": asdict(settings)}))
    return told


def _read_back(folder: Path, parent: Path, settings: Settings) -> Converted | None:
    """What ``folder`` holds of this very conversion; a ``RunFolderError`` if something else."""
    if not folder.exists() or not any(folder.iterdir()):
        return None
    try:
        tree = json.loads((folder / files.CONVERSION).read_text(encoding="utf-8"))
        same = {key: tree.pop(key) for key in ("of", "settings")} == _told(parent, settings)
    except (OSError, ValueError, KeyError):
        same, tree = False, {}
    if not same:
        raise RunFolderError(
            f"{folder} holds something else than this conversion: choose another --out, or delete "
            "the folder"
        )
    if not (folder / files.RESULT).is_file():
        return None
    complete_report(folder)
    lists = {key: tuple(tree[key]) for key in ("scores", "delayed", "spikes")}
    return Converted(read_result(folder), tree["after"], tree["parent"], **lists)
