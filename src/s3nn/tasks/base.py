"""What a task is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from s3nn.randomness import generator_of

if TYPE_CHECKING:
    from torchmetrics import Metric

EVALUATION = "evaluation"  # in place of a seed and an epoch


@dataclass(frozen=True)
class Task(ABC):
    """A question about images, the answer that is wanted, and a score of answers.

    ``classes`` is the number of classes that labels tell apart; ``mean`` and ``std``, one number a
    channel, are what images are normalised by.

    ``score`` names what validation picks by, the higher the better: ``validation_SCORE`` in the
    log.  ``of_images`` says whether the answer is an image, (N, C, H, W), or one of logits.
    """

    classes: int
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    score: ClassVar[str]
    of_images: ClassVar[bool]

    @property
    def evaluation_batch(self) -> int:
        """How many images are evaluated at once; layers that answer images are as large as they."""
        return 32 if self.of_images else 500

    @abstractmethod
    def pose(self, x: Tensor, labels: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """What the network is shown of images ``x`` (N, C, H, W), and the answer that is wanted.

        Whatever is random comes from ``noise``, a generator on the CPU.
        """

    @abstractmethod
    def says(self, shown: Tensor, answer: Tensor) -> Tensor:
        """What ``answer`` to ``shown`` stands for: logits as they are, or pictures in 0..1."""

    @abstractmethod
    def error(self, answer: Tensor, wanted: Tensor) -> Tensor:
        """The validation loss of a batch, a scalar, whatever it is trained by."""

    @abstractmethod
    def metric(self) -> Metric:
        """The score, from ``says(shown, answer)`` and ``says(shown, wanted)``."""

    @abstractmethod
    def said(self, score: float) -> str:
        """A score as text, with its unit."""


class EpochBatches(Protocol):
    """Batches whose order and augmentation follow from the epoch that is set."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Any: ...
    def set_epoch(self, epoch: int) -> None: ...


class Posed:
    """Batches of (images, labels) as ``task`` poses them: (shown, wanted).

    With a ``seed``, what is random is drawn anew in every epoch, from (seed, epoch, rank) alone;
    without one it is the same in every pass, for evaluation.

    >>> from s3nn.tasks import Denoising
    >>> clean = [(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]))]
    >>> once, again = (next(iter(Posed(clean, Denoising(2)))) for _ in range(2))
    >>> torch.equal(once[0], again[0]), torch.equal(once[0], once[1])
    (True, True)
    """

    def __init__(self, batches: Any, task: Task, seed: int | None = None, rank: int = 0) -> None:
        self.batches, self.task, self.seed, self.rank, self.epoch = batches, task, seed, rank, 0

    def __len__(self) -> int:
        return len(self.batches)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        when = (EVALUATION,) if self.seed is None else (self.seed, self.epoch)
        noise = generator_of("noise", *when, self.rank)
        for x, labels in self.batches:
            yield self.task.pose(x, labels, noise)
