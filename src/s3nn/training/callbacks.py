"""What is kept while training: checkpoints that are whole or not there, and the log."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from s3nn.errors import RunFolderError
from s3nn.files import write_bytes, write_text
from s3nn.surrogates import Surrogate
from s3nn.training.folder import BEST, LAST, SCORE
from s3nn.training.memory import peak_memory_bytes

LOGGED = (
    *("train_loss", "validation_loss", "validation_accuracy", "validation_psnr_db"),
    *("validation_spent", "validation_passed", SCORE),
)


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints written beside and moved into place, and read without unpickling objects."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        # torch.save into a file turns a full disk into an obscure error of its own.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getvalue())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = True
    ) -> Any:
        try:
            return torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except Exception as error:
            raise RunFolderError(
                f"{path} is damaged ({type(error).__name__}): delete it to train from the start"
            ) from error


class History(Callback):
    """One line an epoch, kept in the checkpoints and written to metrics.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, float]] = []
        self._started = self._trained = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        logged = trainer.callback_metrics
        line = {"epoch": float(trainer.current_epoch)}
        for name in LOGGED:
            if name in logged:
                line[name] = float(logged[name])
        line["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        line["seconds"] = self._trained - self._started
        line["peak_mem_bytes"] = float(peak_memory_bytes())
        self.lines.append(line)
        if trainer.is_global_zero:
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in self.lines))

    def state_dict(self) -> dict[str, Any]:
        return {"lines": [dict(line) for line in self.lines]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lines = [dict(line) for line in state_dict["lines"]]


def surrogates_of(network: nn.Module) -> list[tuple[Any, Surrogate]]:
    """The modules that have a surrogate gradient, each with it."""
    return [
        (module, surrogate)
        for module in network.modules()
        if isinstance(surrogate := getattr(module, "surrogate", None), Surrogate)
    ]


class Sharpen(Callback):
    """Makes the surrogates steeper, linearly over the epochs, by ``factor`` at the last.

    Gradients stay wide while weights move far and come closer to the spike's own as they settle.
    Source: the annealing of Qin et al., "Forward and Backward Information Retention for Accurate
    Binary Neural Networks", CVPR 2020.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._first: list[tuple[Any, Surrogate]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._first = surrogates_of(pl_module)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert trainer.max_epochs is not None
        share = trainer.current_epoch / max(1, trainer.max_epochs - 1)
        for module, surrogate in self._first:
            module.surrogate = surrogate.sharper(1 + (self.factor - 1) * share)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for module, surrogate in self._first:
            module.surrogate = surrogate


def checkpoints(folder: Path) -> list[ModelCheckpoint]:
    """The best epoch on validation (the earliest of equals), and the last one."""
    best = ModelCheckpoint(
        dirpath=folder,
        filename=Path(BEST).stem,
        monitor=SCORE,
        mode="max",
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(
        dirpath=folder,
        filename=Path(LAST).stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]
