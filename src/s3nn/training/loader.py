"""The batches of a run, epoch by epoch."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch import Tensor

from s3nn.tasks.base import EpochBatches


class Loader(L.LightningDataModule):
    """Hands the trainer the batches of the epoch that it is in.

    Everything random in an epoch follows from (seed, epoch) alone, so that a run that was killed
    and resumed ends at the weights of one that was not.
    """

    def __init__(self, train: EpochBatches, validation: EpochBatches) -> None:
        super().__init__()
        self.train_batches, self.validation_batches = train, validation

    def train_dataloader(self) -> EpochBatches:
        assert self.trainer is not None
        self.train_batches.set_epoch(self.trainer.current_epoch)
        return self.train_batches

    def val_dataloader(self) -> EpochBatches:
        return self.validation_batches

    def transfer_batch_to_device(
        self, batch: tuple[Tensor, Tensor], device: Any, dataloader_idx: int
    ) -> tuple[Tensor, Tensor]:
        x, y = batch
        return x.to(device, non_blocking=True), y.to(device, non_blocking=True)
