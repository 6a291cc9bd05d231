"""What a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Loss(ABC):
    """A number that training makes small, from the outputs of a batch and its labels.

    ``outputs`` y are those of every step, (T, N, K), a network without time having one; ``answer``
    (N, K) is what its read-out makes of them; ``labels`` (N,).  ``smoothing`` is the share of every
    label that goes to all classes alike; ``smooths`` is false of losses that have no such share.

    ``sums`` is true of losses that are a sum over the batch, where others are a mean.
    ``of_images`` losses are of answers that are images: K is (C, H, W), and so are the "labels".
    """

    smooths: ClassVar[bool] = True
    of_images: ClassVar[bool] = False
    sums: ClassVar[bool] = False

    @abstractmethod
    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """The loss of the batch, a scalar."""
