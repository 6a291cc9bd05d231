"""The score of pictures, as a metric; apart, since torchmetrics takes a second to import."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import MeanMetric

from s3nn.tasks._pictures import MOST_DB, psnr_db


class MeanPsnr(MeanMetric):
    """The mean over pictures, of which an exact one would make infinity."""

    def update(self, pictures: Tensor, true: Tensor) -> None:  # type: ignore[override]
        super().update(psnr_db(pictures, true).clamp(max=MOST_DB))
