"""The handwritten digits that scikit-learn brings along: a data set that needs no download."""

from __future__ import annotations

import numpy as np
import torch

from s3nn.data.base import Places, Raw, Source, Split
from s3nn.errors import UsageError

__all__ = ["Digits"]


class Digits(Source):
    """1,797 handwritten digits, 8x8 grey, embedded in scikit-learn.

    Pixels 0..16 are scaled to 0..255.  It is a copy of the UCI data set's test part alone, by 13
    writers, and does not tell who wrote which digit: the same hands are in all three splits.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository (1998), https://doi.org/10.24432/C50P49.
    """

    name = "digits"
    classes = tuple(str(digit) for digit in range(10))
    shape = (1, 8, 8)
    licence = "CC BY 4.0 (UCI Machine Learning Repository)"

    def read(self, places: Places) -> Raw:
        if places.folder is not None:
            raise UsageError("digits come with scikit-learn: leave the data set's folder out")
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        pixels = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, *self.shape)
        split = Split(torch.from_numpy(pixels), torch.from_numpy(labels.astype(np.int64)))
        return Raw(split, test=None, validation=None, source="embedded in scikit-learn")
