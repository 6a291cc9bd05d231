import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s3nn.data import Split
from s3nn.data._splits import hold_out
from s3nn.data.base import Places, Raw, Source
from s3nn.errors import DataError, UsageError


class Three(Source):
    name, classes, shape, licence = "three", ("a", "b", "c"), (1, 2, 2), "ours"

    def read(self, places: Places) -> Raw:
        raise NotImplementedError


class LastTwo(Three):
    validation_last = 2


def numbered(labels: list[int]) -> Split:
    """Image i is filled with i, so that it can be told where each went."""
    index = torch.arange(len(labels), dtype=torch.uint8)
    return Split(index.view(-1, 1, 1, 1).expand(-1, 1, 2, 2), torch.tensor(labels))


def names(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


def raw(train: Split, test: Split | None = None, validation: Split | None = None) -> Raw:
    return Raw(train, test, validation, "here")


@given(
    counts=st.lists(st.integers(5, 40), min_size=3, max_size=3),
    share=st.floats(0.05, 0.6),
    seed=st.integers(0, 2**31),
)
def test_a_stratified_split_is_a_partition_with_the_shares_of_the_classes(
    counts: list[int], share: float, seed: int
) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    whole = numbered(labels)
    train, held, _ = hold_out(raw(whole, test=whole), Three(), share, seed)
    assert sorted(names(train) + names(held)) == list(range(len(labels)))
    assert len(held) == max(1, round(share * len(labels)))
    for label, count in enumerate(counts):
        assert abs(int((held.labels == label).sum()) - count * len(held) / len(labels)) < 1


def test_without_a_test_set_it_is_60_20_20_and_the_seed_moves_validation_only() -> None:
    whole = numbered([0, 1, 2] * 30)
    first, again, other = (hold_out(raw(whole), Three(), None, seed) for seed in (1, 1, 2))
    assert [len(split) for split in first] == [54, 18, 18]
    assert [names(split) for split in first] == [names(split) for split in again]
    assert names(first[2]) == names(other[2])
    assert names(first[1]) != names(other[1])


def test_the_conventional_last_images_are_held_out_and_can_be_overridden() -> None:
    whole = numbered([0, 1, 2] * 4)
    assert names(hold_out(raw(whole, test=whole), LastTwo(), None, 0)[1]) == [10, 11]
    assert names(hold_out(raw(whole, test=whole), LastTwo(), 3, 9)[1]) == [9, 10, 11]
    assert len(hold_out(raw(whole, test=whole), LastTwo(), 0.5, 0)[1]) == 6


def test_validation_images_of_its_own_are_kept() -> None:
    whole = numbered([0, 1, 2])
    assert names(hold_out(raw(whole, whole, whole), Three(), None, 0)[1]) == [0, 1, 2]
    with pytest.raises(UsageError, match="brings its own validation images"):
        hold_out(raw(whole, whole, whole), Three(), 1, 0)


@pytest.mark.parametrize("validation", [0, -3, 0.0, 1.0, 1.5])
def test_a_validation_that_makes_no_sense_is_refused(validation: float) -> None:
    whole = numbered([0, 1, 2] * 4)
    with pytest.raises(UsageError, match=f"validation={validation}"):
        hold_out(raw(whole, test=whole), Three(), validation, 0)


def test_too_few_images_are_named() -> None:
    whole = numbered([0, 1, 2] * 4)
    with pytest.raises(DataError, match="12 images to train on, too few to hold out 12"):
        hold_out(raw(whole, test=whole), Three(), 12, 0)
    with pytest.raises(DataError, match=r"class 'a' of three has 1 image"):
        hold_out(raw(numbered([0, 1, 2]), test=whole), Three(), 2, 0)
