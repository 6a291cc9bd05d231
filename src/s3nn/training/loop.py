"""Lightning's loop around one run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from lightning.pytorch.loggers import Logger
from torch import nn

from s3nn.clock import Race, Unroll, Windows
from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.lean import lean
from s3nn.rules import Rule
from s3nn.training.asked import asked
from s3nn.training.batches import batches
from s3nn.training.callbacks import History, Sharpen, WholeCheckpoints, checkpoints
from s3nn.training.folder import LAST, SCORE
from s3nn.training.learner import Learner
from s3nn.training.loader import Loader
from s3nn.training.memory import keep_freed_memory
from s3nn.training.precision import Arithmetic
from s3nn.training.processes import Processes
from s3nn.training.progress import progress_callback
from s3nn.training.redraw import Redraw
from s3nn.training.restraint import Restraint
from s3nn.training.ruling import intensities

PRECISION: dict[Arithmetic, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}


@dataclass(frozen=True)
class Loop:
    """What one run is trained with; ``go`` trains ``network``, from the last checkpoint if any."""

    run: Run
    folder: Path
    data: DataSet
    network: nn.Module
    teacher: nn.Module | None
    restraint: Restraint | None
    rule: Rule
    history: History
    processes: Processes
    arithmetic: Arithmetic
    progress: bool

    def go(self) -> None:
        run, network = self.run, self.network
        if run.fit.threads is not None:
            torch.set_num_threads(run.fit.threads)
        keep_freed_memory()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if run.fit.window is not None and isinstance(network, Unroll):
            network.windows = Windows(run.fit.window, run.fit.recompute, run.fit.truncate)
        task = asked(run, self.data)
        loader = Loader(*batches(run, self.data, task, self.processes))
        learner = Learner(
            *(network, run),
            task=task,
            teacher=self.teacher,
            restraint=self.restraint,
            rule=self.rule,
        )
        trainer, last = self._trainer(), self.folder / LAST
        if not last.is_file():
            self.rule.pretrain(network, intensities(run, self.data), run.seed)
        held = self.restraint.attached() if self.restraint else nullcontext()
        try:
            with quiet_lightning(), self._step(), held, self.rule.attached(network):
                trainer.fit(learner, loader, ckpt_path=str(last) if last.is_file() else None)
        except SystemExit:  # what Lightning makes of an interrupt
            if not trainer.interrupted:
                raise
        if trainer.interrupted:
            raise KeyboardInterrupt

    @property
    def _shown(self) -> bool:
        """Whether this process shows its progress."""
        return self.progress and self.processes.rank == 0

    def _callbacks(self) -> list[Callback]:
        run = self.run
        callbacks: list[Callback] = [self.history, *checkpoints(self.folder)]
        if run.fit.patience is not None:
            callbacks.append(EarlyStopping(SCORE, mode="max", patience=run.fit.patience))
        if run.optim.average:
            callbacks.append(EMAWeightAveraging(decay=run.optim.average))
        if run.optim.sharpen != 1:
            callbacks.append(Sharpen(run.optim.sharpen))
        if isinstance(self.network, Race):
            callbacks.append(Redraw(run.seed))
        if self._shown:
            callbacks.append(progress_callback())
        return callbacks

    def _trainer(self) -> L.Trainer:
        fit, processes = self.run.fit, self.processes
        with quiet_lightning():
            return L.Trainer(
                accelerator=fit.accelerator,
                devices=processes.world // processes.nodes if processes.world > 1 else 1,
                num_nodes=processes.nodes,
                strategy=fit.strategy if processes.world > 1 else "auto",
                accumulate_grad_batches=fit.accumulate,
                precision=PRECISION[self.arithmetic],
                max_epochs=fit.epochs,
                gradient_clip_val=self.run.optim.clip,
                callbacks=self._callbacks(),
                logger=self._logger(),
                plugins=[WholeCheckpoints()],
                reload_dataloaders_every_n_epochs=1,
                num_sanity_val_steps=0,
                enable_progress_bar=self._shown,
                enable_model_summary=False,
                deterministic="warn" if torch.cuda.is_available() else None,
                use_distributed_sampler=False,
                default_root_dir=self.folder,
            )

    def _logger(self) -> Logger | Literal[False]:
        if not self.run.fit.tensorboard:
            return False
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(self.folder, name="", version="tensorboard")

    def _step(self) -> AbstractContextManager[Any]:
        """The backward pass of this run's step, while it is open."""
        step = self.run.fit.step
        if step == "plain":
            return nullcontext()
        return lean(self.network, compiled=step == "compiled", events=step == "events")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hide advice that does not apply: our batches are tensors already in memory."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            ".*suggested max number of worker.*",
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
