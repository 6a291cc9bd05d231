import pytest
import torch

from s3nn.data import Split
from s3nn.errors import DataError

IMAGES = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
CLASSES = ("a", "b")


def test_a_split_counts_and_slices() -> None:
    split = Split(IMAGES, torch.tensor([0, 1, 0]))
    assert len(split) == 3
    assert split[torch.tensor([1])].labels.tolist() == [1]
    split.check("it", (1, 4, 4), CLASSES)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (IMAGES.float(), torch.zeros(3, dtype=torch.int64), r"float32 of shape \(3, 1, 4, 4\)"),
        (IMAGES[0], torch.zeros(3, dtype=torch.int64), r"shape \(1, 4, 4\)"),
        (IMAGES, torch.zeros(3), "float32"),
        (IMAGES, torch.zeros(2, dtype=torch.int64), "3 images and 2 labels"),
    ],
)
def test_a_split_says_what_does_not_fit(images, labels, says) -> None:
    with pytest.raises(DataError, match=says):
        Split(images, labels)


@pytest.mark.parametrize("label", [-1, 2, 255])
def test_a_label_outside_the_classes_is_named(label: int) -> None:
    split = Split(IMAGES, torch.tensor([0, label, 1]))
    with pytest.raises(DataError, match=rf"label {label} \(image 1\), outside the 2 classes"):
        split.check("it", (1, 4, 4), CLASSES)


def test_a_wrong_shape_and_an_empty_split_are_named() -> None:
    split = Split(IMAGES, torch.tensor([0, 1, 0]))
    with pytest.raises(DataError, match=r"\(1, 4, 4\), expected \(C, H, W\) = \(3, 4, 4\)"):
        split.check("it", (3, 4, 4), CLASSES)
    with pytest.raises(DataError, match="no images"):
        split[:0].check("it", (1, 4, 4), CLASSES)
