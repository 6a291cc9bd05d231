"""What a read-out over time is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class Readout(nn.Module, ABC):
    """The outputs of every step, (T, N, K), to one answer (N, K); of images K is (C, H, W).

    A read-out that learns from what it sees (not by gradients) does so in ``learn``, called on
    every training batch, and ``begin_epoch``; what it remembers lies in its buffers.
    """

    # Whether the answer of a single step is that step's output, so that nothing is left to do.
    trivial_at_one_step: ClassVar[bool] = True
    # Whether it looks at classes, so that outputs that are images are not for it.
    of_classes: ClassVar[bool] = False

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    @abstractmethod
    def forward(self, outputs: Tensor) -> Tensor:
        """The answer (N, K) of outputs (T, N, K)."""

    def learn(self, outputs: Tensor, labels: Tensor) -> None:
        """A training batch: outputs (T, N, K) without gradient, labels (N,)."""
        return

    def begin_epoch(self, epoch: int) -> None:
        """Training epoch ``epoch`` (from 0) begins."""
        return

    def extra_repr(self) -> str:
        return f"steps={self.steps}"
