"""One architecture for every row: the layers stay, the neuron between them changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from s3nn.config import Model, Run
from s3nn.models import Parts, SpikingModel
from s3nn.registry import MODELS
from s3nn.rows import with_row
from s3nn.training.build import build_model

CLASSES = 10


@dataclass(frozen=True)
class Architecture:
    """A model of the library at a width, for images of ``shape`` (C, H, W).

    Whatever it builds has the weights that ``seed`` draws, the same under every neuron.
    """

    model: str
    width: float
    shape: tuple[int, int, int]
    seed: int = 0

    def row(self, name: str) -> nn.Module:
        """Our own network of a row of ``s3nn compare``."""
        return self._built(
            with_row(Run(model=Model(name=self.model, width=self.width)), name).model
        )

    def neuron(self, neuron: str, steps: int) -> nn.Module:
        """Our own network of a neuron, run for so many steps."""
        return self._built(Model(name=self.model, width=self.width, neuron=neuron, steps=steps))

    def parts(self, parts: Parts) -> SpikingModel:
        """The network put together from another library's parts, with our weights."""
        network: SpikingModel = MODELS.get(self.model)(self.shape, CLASSES, parts, self.width)
        copy_weights(self.row("relu"), network)
        return network

    def _built(self, model: Model) -> nn.Module:
        torch.manual_seed(self.seed)
        return build_model(model, self.shape, CLASSES)


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Parameter by parameter, in their order: both have the same ones under other names."""
    for mine, theirs in zip(source.parameters(), target.parameters(), strict=True):
        if mine.shape != theirs.shape:
            raise ValueError(f"not the same architecture: {mine.shape} against {theirs.shape}")
        theirs.copy_(mine)
