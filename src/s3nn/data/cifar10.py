"""CIFAR-10: ten classes of small colour photographs."""

from __future__ import annotations

from functools import partial

from s3nn.data._cifar import Layout, find_cifar, read_cifar
from s3nn.data._openml import OpenML
from s3nn.data._original import read_published
from s3nn.data.base import Places, Raw, Source

__all__ = ["CIFAR10"]

LAYOUT = Layout(
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test="test_batch",
    folders=("cifar-10-batches-bin", "cifar-10-batches-py"),
    label_bytes=1,
    label_key="labels",
)


class CIFAR10(Source):
    """50,000 train and 10,000 test photographs, 32x32 RGB, 10 classes.

    A stratified tenth of train is held out for validation.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", University of
    Toronto (2009); https://www.cs.toronto.edu/~kriz/cifar.html.
    """

    name = "cifar10"
    classes = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    shape = (3, 32, 32)
    licence = "not stated by its authors, who ask to cite Krizhevsky (2009)"

    def read(self, places: Places) -> Raw:
        return read_published(
            self,
            OpenML(number=40927, rows=60_000, test_counts=(1_000,) * 10),
            places,
            find=partial(find_cifar, LAYOUT),
            read=partial(read_cifar, LAYOUT),
            wanted=LAYOUT.in_words(),
        )
