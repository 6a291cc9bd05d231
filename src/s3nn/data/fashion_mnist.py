"""Fashion-MNIST: the data set on which this library's own numbers stand."""

from __future__ import annotations

from pathlib import Path

from s3nn.data._openml import OpenML
from s3nn.data._original import read_published_idx
from s3nn.data.base import Places, Raw, Source

__all__ = ["FashionMNIST"]

DEBIAN = (
    Path("/usr/share/datasets/fashion-mnist"),
    "the Debian package dataset-fashion-mnist",
)


class FashionMNIST(Source):
    """60,000 train and 10,000 test images of clothes, 28x28 grey, 10 classes.

    The last 5,000 train images are held out for validation.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", arXiv 1708.07747; https://github.com/zalandoresearch/fashion-mnist.
    """

    name = "fashion_mnist"
    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    shape = (1, 28, 28)
    licence = "MIT (Zalando SE, 2017)"
    validation_last = 5_000

    def read(self, places: Places) -> Raw:
        openml = OpenML(number=40996, rows=70_000, test_counts=(1_000,) * 10)
        return read_published_idx(self, openml, places, system=DEBIAN)
