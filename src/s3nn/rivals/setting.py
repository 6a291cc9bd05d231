"""What every engine is built for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from s3nn.export.onnx import exported

if TYPE_CHECKING:
    from onnx import ModelProto

Images = NDArray[np.float32]
Logits = NDArray[np.float32]
Run = Callable[[Images], Logits]


@dataclass(frozen=True, eq=False)
class Setting:
    """A network in eval mode, images to calibrate on, a batch size and a number of threads."""

    network: nn.Module
    calibration: Images
    batch: int
    threads: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a batch: (batch, C, H, W)."""
        return (self.batch, *self.calibration.shape[1:])

    def batches(self) -> Iterator[Images]:
        """The images to calibrate on, as many at a time as the network is exported for."""
        for start in range(0, len(self.calibration) - self.batch + 1, self.batch):
            yield np.ascontiguousarray(self.calibration[start : start + self.batch])

    @cached_property
    def onnx(self) -> ModelProto:
        """The network for this batch size as ONNX; the exporter folds what batch-norm is left."""
        return exported(self.network, torch.zeros(self.shape), dynamic=False)
