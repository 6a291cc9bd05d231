"""A run that was trained: its folder opened again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.config import Chip, Run
from s3nn.data import Batches, DataSet, Split, count_or_share, few_labels, load
from s3nn.data.base import Shape
from s3nn.data.batches import normalise
from s3nn.data.images import check_images
from s3nn.errors import DataError, RunFolderError, UnsupportedError, UsageError
from s3nn.export import Pixels
from s3nn.export.nir import Nir
from s3nn.graph.network import GraphNetwork
from s3nn.tasks import Posed, Task
from s3nn.training.asked import task_of
from s3nn.training.build import build_model
from s3nn.training.folder import (
    IMPORTED,
    RUN,
    WEIGHTS,
    Described,
    Shown,
    describe,
    shown,
    weights_of,
)
from s3nn.training.weights import Form, fits, forms, load_weights


@dataclass(frozen=True)
class Trained:
    """A network with its weights, and what it was trained on."""

    run: Run
    network: nn.Module
    shape: Shape
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str

    @property
    def task(self) -> Task:
        return task_of(self.run, len(self.classes), self.mean, self.std)

    def classifies(self, what: str) -> None:
        """An ``UnsupportedError`` where ``what`` is done to a network that answers with images."""
        if self.task.of_images:
            raise UnsupportedError(
                f"{what} of a network that answers with images",
                f"task={self.run.task}",
                "name the run of a classifier; s3nn eval has this one's PSNR",
            )

    def steps_once(self, what: str) -> None:
        """An ``UnsupportedError`` where ``what`` is made of a network of several time steps."""
        steps = self.run.model.steps
        if steps > 1:
            raise UnsupportedError(
                f"{what} of a network that runs for {steps} time steps",
                f"model.steps={steps}",
                "only networks of one step are: train one with --model.steps 1",
            )

    def predict(self, images: Tensor) -> Tensor:
        """Class probabilities (N, classes) of uint8 images (N, C, H, W), 0..255."""
        self.classifies("prediction")
        check_images(images, self.shape)
        if images.is_floating_point():
            raise DataError(
                f"predict takes pixels as they are, uint8 from 0 to 255, and got {images.dtype}: "
                "it normalises them itself"
            )
        with torch.inference_mode():
            probabilities: Tensor = (
                self.network(normalise(images, self.mean, self.std)).float().softmax(1)
            )
        return probabilities

    def accuracy(self, split: Split) -> float:
        """The share of a split's images that it names right."""
        self.classifies("the accuracy")
        return round(self.score(split) * len(split)) / len(split)  # the metric has 32 bits

    def score(self, split: Split) -> float:
        """The score of its task on a split: accuracy as a fraction, or PSNR in dB."""
        task, metric = self.task, self.task.metric()
        together = task.evaluation_batch
        clean = Batches(split, batch_size=together, mean=self.mean, std=self.std)
        with torch.inference_mode():
            for shown, wanted in Posed(clean, task):
                answer = self.network(shown).float()
                metric.update(task.says(shown, answer), task.says(shown, wanted))
        return float(metric.compute())

    def data(self) -> DataSet:
        """The data set it was trained on; an error if what is found now has another content."""
        data = load_data(self.run)
        if data.spec.checksum != self.checksum:
            raise RunFolderError(
                f"{data.spec.name} is not what the run was trained on: its checksum is "
                f"{data.spec.checksum[:19]}..., run.json says {self.checksum[:19]}...; "
                "pass --data.folder with the original files to a new run"
            )
        return data


def load_data(run: Run) -> DataSet:
    """The data set of a run, split as the run says, with as many labels as it says."""
    asked = run.data
    data = load(
        asked.name,
        folder=asked.folder,
        validation=count_or_share(asked.validation),
        size=asked.size,
        crop=asked.crop,
        frames=asked.frames,
        frames_by=asked.frames_by,
        frames_clip=asked.frames_clip,
    )
    return data if asked.labels is None else few_labels(data, asked.labels, run.seed)


def open_run(folder: Path | str, chip: Chip | None = None) -> Trained:
    """The trained network of a run folder, in eval mode; a damaged folder is an error.

    ``chip``, where it is given, is what the weights are put on, whatever they were trained on.
    """
    folder = Path(folder)
    if folder.is_file():
        raise UsageError(f"{folder} is a file: name the run's folder")
    described = describe(folder)
    if chip is not None:
        described = replace(described, run=replace(described.run, chip=chip).check())
    if (folder / IMPORTED).is_file():
        return _imported(described, folder)
    return opened(described, weights_of(folder), str(folder))


def opened(described: Described, weights: bytes, where: str) -> Trained:
    """The network that a run.json describes with the weights of a model.safetensors, in eval mode.

    It is put together without memory first, so that the names, shapes and dtypes of the weights can
    be held against it before any is taken: what comes from elsewhere may describe a network larger
    than this machine.  ``where`` is the place that errors name.

    Raises ``RunFolderError`` for a network that cannot be built and for weights that are not its.
    """
    run_file, weights_file = f"{where}/{RUN}", f"{where}/{WEIGHTS}"
    data = shown(described.data, run_file)
    expected = planned(described, where).state_dict()
    fits(forms(weights, weights_file), {k: Form.of(v) for k, v in expected.items()}, weights_file)
    network = _built(described, data, run_file)
    load_weights(weights, network, weights_file)
    return _trained(described.run, network, data)


def planned(described: Described, where: str) -> nn.Module:
    """The network that a run.json describes on the meta device, where it takes no memory.

    A chip is left out: it has values, which that device has not, and no state of its own.
    """
    run_file = f"{where}/{RUN}"
    in_software = replace(described, run=replace(described.run, chip=Chip()))
    with torch.device("meta"):
        return _built(in_software, shown(described.data, run_file), run_file)


def _shape(data: Shown) -> Shape:
    channels, height, width = data.shape
    return channels, height, width


def _built(described: Described, data: Shown, where: str) -> nn.Module:
    run, classes = described.run, len(data.classes)
    options: dict[str, Any] = {
        "mean": data.mean,
        "std": data.std,
        "gates": run.gates,
        "chip": run.chip,
    }
    try:
        task_of(run, classes, data.mean, data.std)
        return build_model(run.model, _shape(data), classes, **options)
    except UsageError:
        raise
    except Exception as error:  # options of the wrong kind fail wherever they are used first
        reason = " ".join(str(error).split())[:200]
        raise RunFolderError(
            f"{where} describes a network that cannot be built "
            f"({type(error).__name__}: {reason}): is it damaged?"
        ) from error


def _imported(described: Described, folder: Path) -> Trained:
    """The network of a folder that ``s3nn import`` wrote."""
    data = shown(described.data, f"{folder}/{RUN}")
    try:
        how = described.data["imported"]
        pixels = Pixels(_shape(data), tuple(how["mean"]), tuple(how["std"]), how["raw"])
        dt = float(how["dt"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder}/run.json does not say how {IMPORTED} is read ({error}): import it again"
        ) from error
    network = GraphNetwork(Nir.read(folder / IMPORTED, pixels, dt))
    return _trained(described.run, network, data)


def _trained(run: Run, network: nn.Module, data: Shown) -> Trained:
    shape = _shape(data)
    return Trained(run, network.eval(), shape, data.classes, data.mean, data.std, data.checksum)
