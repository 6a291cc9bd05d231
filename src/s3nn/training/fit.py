"""One training run in one folder: begun, resumed or already there."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import Logger
from torch import nn

from s3nn.config import Fit, Run
from s3nn.data import DataSet
from s3nn.data.batches import Batches
from s3nn.errors import RunFolderError, UsageError
from s3nn.training import folder as files
from s3nn.training.build import build_model
from s3nn.training.callbacks import BEST, LAST, History, WholeCheckpoints, checkpoints
from s3nn.training.learner import Learner
from s3nn.training.progress import progress_callback
from s3nn.versions import versions

_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}
EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Processes:
    """How many processes train together, and which one this is (torchrun's environment)."""

    rank: int
    world: int
    nodes: int

    @classmethod
    def here(cls) -> Processes:
        world = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        return cls(int(os.environ.get("RANK", "0")), world, max(1, world // max(1, local)))


@dataclass(frozen=True)
class Fitted:
    """A network with the weights that validation picked, and how it got there."""

    network: nn.Module
    history: list[dict[str, float]]


def fit(run: Run, folder: Path, data: DataSet, *, progress: bool = True) -> Fitted:
    """Train ``run`` on ``data`` in ``folder``, from its last checkpoint if it was begun there.

    Raises ``RunFolderError`` for a folder that holds something else or is damaged and
    ``TrainingError`` for a loss that is not finite.
    """
    run.check()
    if run.fit.tensorboard and find_spec("tensorboard") is None:
        raise UsageError(
            "--fit.tensorboard needs the package tensorboard: pip install 's3nn[tensorboard]'"
        )
    begun = files.claim(folder, run)
    network, history = untrained(run, data), History(folder / files.METRICS)
    if begun and (folder / files.WEIGHTS).is_file():
        files.read_weights(folder, network)
        return Fitted(network, read_history(folder))
    processes = Processes.here()
    if processes.rank == 0 and not begun:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_run(folder, run, data_description(data), versions())
    with _quiet_lightning():
        _train(run, folder, data, network, history, processes, progress)
    best = torch.load(folder / BEST, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.cpu().load_state_dict(
        {k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)}
    )
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    if processes.rank == 0:
        files.write_weights(folder, network)
        for checkpoint in (BEST, LAST):
            (folder / checkpoint).unlink()
    return Fitted(network, history.lines)


def untrained(run: Run, data: DataSet) -> nn.Module:
    """The run's network with its first weights, which follow from the seed."""
    L.seed_everything(run.seed, verbose=False)
    return build_model(run.model, data.spec.shape, len(data.spec.classes))


def data_description(data: DataSet) -> dict[str, Any]:
    spec = data.spec
    return {
        "name": spec.name,
        "checksum": spec.checksum,
        "splits": dict(spec.sizes),
        "source": spec.source,
        "licence": spec.licence,
        "classes": list(spec.classes),
        "shape": list(spec.shape),
        "mean": list(spec.mean),
        "std": list(spec.std),
    }


def read_history(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl."""
    path = folder / files.METRICS
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} is missing or damaged ({error}): train again") from error


def _train(
    run: Run,
    folder: Path,
    data: DataSet,
    network: nn.Module,
    history: History,
    processes: Processes,
    progress: bool,
) -> None:
    if run.fit.threads is not None:
        torch.set_num_threads(run.fit.threads)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    train, validation = batches(run, data, processes)
    classes = len(data.spec.classes)
    learner = Learner(network, run.optim, train, validation, classes=classes, seed=run.seed)
    callbacks: list[Callback] = [history, *checkpoints(folder)]
    if run.fit.patience is not None:
        callbacks.append(
            EarlyStopping("validation_accuracy", mode="max", patience=run.fit.patience)
        )
    if progress and processes.rank == 0:
        callbacks.append(progress_callback())
    trainer = L.Trainer(
        accelerator=run.fit.accelerator,
        devices=processes.world // processes.nodes if processes.world > 1 else 1,
        num_nodes=processes.nodes,
        strategy="ddp" if processes.world > 1 else "auto",
        precision=_PRECISION[run.fit.precision],
        max_epochs=run.fit.epochs,
        gradient_clip_val=run.optim.clip,
        callbacks=callbacks,
        logger=_logger(run.fit, folder),
        plugins=[WholeCheckpoints()],
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        enable_progress_bar=progress and processes.rank == 0,
        enable_model_summary=False,
        deterministic="warn" if torch.cuda.is_available() else None,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    last = folder / LAST
    try:
        trainer.fit(learner, ckpt_path=str(last) if last.is_file() else None)
    except SystemExit:  # what Lightning makes of an interrupt
        if not trainer.interrupted:
            raise
    if trainer.interrupted:
        raise KeyboardInterrupt


def batches(run: Run, data: DataSet, processes: Processes) -> tuple[Batches, Batches]:
    """The training batches, shuffled and augmented, and the validation batches as they are."""
    spec, rank, world = data.spec, processes.rank, processes.world
    train = Batches(
        data.train,
        batch_size=run.data.batch,
        mean=spec.mean,
        std=spec.std,
        flip=run.data.flip,
        shift=run.data.shift,
        shuffle=True,
        drop_last=True,
        seed=run.seed,
        rank=rank,
        world=world,
    )
    validation = Batches(
        data.validation,
        batch_size=EVALUATION_BATCH,
        mean=spec.mean,
        std=spec.std,
        rank=rank,
        world=world,
    )
    return train, validation


def _logger(fit: Fit, folder: Path) -> Logger | Literal[False]:
    if not fit.tensorboard:
        return False
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version="tensorboard")


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hide advice that does not apply: our batches are tensors already in memory."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            ".*not an instance of.*DataLoader.*",
            ".*number of training batches.*",
            ".*exists and is not empty.*",
            ".*lr_scheduler.step.*",
            ".*weights_only.*",
            ".*tensorboard.*",
            ".*isinstance\\(treespec, LeafSpec\\).*",
        ):
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            log.setLevel(level)
