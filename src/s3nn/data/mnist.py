"""MNIST: handwritten digits, the field's oldest common ground."""

from __future__ import annotations

from s3nn.data._openml import OpenML
from s3nn.data._original import read_published_idx
from s3nn.data.base import Places, Raw, Source

__all__ = ["MNIST"]


class MNIST(Source):
    """60,000 train and 10,000 test images of handwritten digits, 28x28 grey, 10 classes.

    The last 5,000 train images are held out for validation.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86 (1998) 2278-2324.
    """

    name = "mnist"
    classes = tuple(str(digit) for digit in range(10))
    shape = (1, 28, 28)
    licence = "not stated by its authors (Y. LeCun, C. Cortes); passed on as CC BY-SA 3.0"
    validation_last = 5_000

    def read(self, places: Places) -> Raw:
        counts = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
        return read_published_idx(self, OpenML(554, rows=70_000, test_counts=counts), places)
