"""CIFAR-100: a hundred classes of small colour photographs."""

from __future__ import annotations

from functools import partial

from s3nn.data._cifar import Layout, find_cifar, read_cifar
from s3nn.data._openml import OpenML
from s3nn.data._original import read_published
from s3nn.data.base import Places, Raw, Source

__all__ = ["CIFAR100"]

LAYOUT = Layout(
    train=("train",),
    test="test",
    folders=("cifar-100-binary", "cifar-100-python"),
    label_bytes=2,
    label_key="fine_labels",
)

CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""


class CIFAR100(Source):
    """50,000 train and 10,000 test photographs, 32x32 RGB, 100 classes (the fine labels).

    A stratified tenth of train is held out for validation.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", University of
    Toronto (2009); https://www.cs.toronto.edu/~kriz/cifar.html.
    """

    name = "cifar100"
    classes = tuple(CLASSES.split())
    shape = (3, 32, 32)
    licence = "not stated by its authors, who ask to cite Krizhevsky (2009)"

    def read(self, places: Places) -> Raw:
        return read_published(
            self,
            OpenML(number=41983, rows=60_000, test_counts=(100,) * 100),
            places,
            find=partial(find_cifar, LAYOUT),
            read=partial(read_cifar, LAYOUT),
            wanted=LAYOUT.in_words(),
        )
