"""Which class an image is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.tasks.base import Task

if TYPE_CHECKING:
    from torchmetrics import Metric

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification(Task):
    """The image as it is; the answer is the class with the highest logit, its score the accuracy.

    >>> Classification(classes=10).said(0.9371)
    '93.71 %'
    """

    score: ClassVar[str] = "accuracy"
    of_images: ClassVar[bool] = False

    def pose(self, x: Tensor, labels: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        return x, labels

    def says(self, shown: Tensor, answer: Tensor) -> Tensor:
        return answer

    def error(self, answer: Tensor, wanted: Tensor) -> Tensor:
        return cross_entropy(answer, wanted)

    def metric(self) -> Metric:
        from torchmetrics.classification import MulticlassAccuracy

        return MulticlassAccuracy(num_classes=self.classes, average="micro")

    def said(self, score: float) -> str:
        return f"{100 * score:.2f} %"
