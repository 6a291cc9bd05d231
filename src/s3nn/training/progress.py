"""Progress: a bar on a terminal, a line an epoch anywhere else."""

from __future__ import annotations

import sys

import lightning as L
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar

from s3nn.tasks import Task


class EpochLines(ProgressBar):
    """One line an epoch on standard error, for logs."""

    def disable(self) -> None:
        """Lightning asks this of progress bars on the processes that stay silent."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        logged, task = trainer.callback_metrics, pl_module.task
        assert isinstance(task, Task)
        print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  "
            f"loss {float(logged['train_loss']):.4f}  "
            f"validation {task.said(float(logged[f'validation_{task.score}']))}",
            file=sys.stderr,
            flush=True,
        )


def progress_callback() -> ProgressBar:
    return RichProgressBar(leave=False) if sys.stderr.isatty() else EpochLines()
