"""New weights for neurons that hardly ever fire."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from s3nn.clock import Race
from s3nn.training.learner import EPOCH_STRIDE


class Redraw(Callback):
    """At the start of every epoch but the first, draws the weights of dead hidden neurons anew.

    A neuron that is silent has no part in what follows it and gets no error, so that only this can
    bring it back.  What is drawn follows from the seed and the epoch, also in a resumed run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        network: Any = pl_module.network
        assert isinstance(network, Race)
        if trainer.current_epoch == 0:
            return
        generator = torch.Generator().manual_seed(self.seed + EPOCH_STRIDE * trainer.current_epoch)
        for layer in network.hidden:
            layer.redraw(generator)
