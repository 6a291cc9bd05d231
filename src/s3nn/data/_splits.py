"""Which images go to validation, to a test set where there is none, and which keep their labels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from s3nn.data._on_disk import Stream
from s3nn.data.base import AnySplit, DataSet, Raw, Source, Split
from s3nn.errors import DataError, UsageError
from s3nn.randomness import seed_of

TEST_SHARE = 0.2
TEST_SEED = 0
DEFAULT_SHARE = 0.1


def hold_out(
    raw: Raw[AnySplit], source: Source, validation: int | float | None, seed: int
) -> tuple[AnySplit, AnySplit, AnySplit]:
    """Train, validation and test of what a source found.

    A data set without a test set gives a stratified fifth of its images to it, always the same one
    whatever ``seed`` is, and by default as many to validation: 60/20/20.  Elsewhere validation is
    what the data set brings, its conventional last images, or a stratified tenth of train.
    """
    train, test, default = raw.train, raw.test, DEFAULT_SHARE
    whole = len(train)
    if test is None:
        train, test = _stratified(train, _count(TEST_SHARE, whole), source, TEST_SEED)
        default = TEST_SHARE * whole / len(train)
    if raw.validation is not None:
        if validation is not None:
            raise UsageError(
                f"{source.name} brings its own validation images: leave validation={validation} out"
            )
        return train, raw.validation, test
    if source.validation_last is not None:
        count = source.validation_last if validation is None else _count(validation, len(train))
        _check_count(count, train, source)
        return train[:-count], train[-count:], test
    count = _count(default if validation is None else validation, len(train))
    train, held = _stratified(train, count, source, seed)
    return train, held, test


def few_labels(data: DataSet, labels: int, seed: int) -> DataSet:
    """``data`` with ``labels`` of its train images, drawn by class from ``seed``; the rest is gone.

    Classes keep their shares as closely as integers can.  Of one seed more labels are the fewer
    ones and others.  Validation and test images, mean, std and checksum stay those of ``data``.

    >>> from s3nn.data import load
    >>> few = few_labels(load("digits"), 20, seed=0)
    >>> few.train.labels.bincount().tolist()
    [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    """
    spec, whole = data.spec, data.train
    if isinstance(whole, Stream):
        raise UsageError(
            f"data.labels={labels} draws from images in memory, and the train images of "
            f"{spec.name} stay on disk: drop --data.labels, or make shards of fewer images"
        )
    if labels > len(whole):
        raise UsageError(
            f"data.labels={labels}: {spec.name} has {len(whole)} images to train on; ask for at "
            "most as many"
        )
    if labels < len(spec.classes):
        raise UsageError(
            f"data.labels={labels} is fewer than the {len(spec.classes)} classes of {spec.name}: "
            "each needs an image to learn from"
        )
    have = torch.bincount(whole.labels, minlength=len(spec.classes))
    take = _shares(have, labels)
    emptied = ((take == 0) & (have > 0)).nonzero()
    if len(emptied):
        rare = int(emptied[0])
        raise UsageError(
            f"data.labels={labels} leaves class {spec.classes[rare]!r} of {spec.name} without an "
            f"image, of which it has {int(have[rare])} in {len(whole)}: ask for more labels"
        )
    kept = _drawn(whole.labels, take, seed_of("labels", seed))
    sizes = {**spec.sizes, "train": labels}
    return replace(data, spec=replace(spec, sizes=sizes), train=whole[kept])


def count_or_share(number: float | None) -> int | float | None:
    """What a flag's number asks to hold out: from 1 on a count, below a share.

    >>> count_or_share(5000.0), count_or_share(0.1), count_or_share(None)
    (5000, 0.1, None)
    """
    if number is None or number < 1:
        return number
    if not float(number).is_integer():
        raise UsageError(
            f"validation={number} is no number of images: write a whole number, or a share below 1"
        )
    return int(number)


def _count(validation: int | float, whole: int) -> int:
    """How many of ``whole`` images are meant: a count as it is, a share of them rounded."""
    if isinstance(validation, float):
        if not 0 < validation < 1:
            raise UsageError(
                f"validation={validation} as a share must be between 0 and 1 (0.1 is a tenth); "
                "pass an integer for a number of images"
            )
        return max(1, round(validation * whole))
    if validation < 1:
        raise UsageError(
            f"validation={validation}: models are chosen on the validation images, so that at "
            "least one is needed"
        )
    return validation


def _check_count(count: int, split: Split, source: Source) -> None:
    if count >= len(split):
        raise DataError(
            f"{source.name} has {len(split)} images to train on, too few to hold out {count}: "
            "pass a smaller validation=COUNT"
        )


def _stratified(
    split: AnySplit, count: int, source: Source, seed: int
) -> tuple[AnySplit, AnySplit]:
    """``split`` without ``count`` images, and these: as close to its class shares as integers get.

    Both parts keep the order of ``split``.
    """
    _check_count(count, split, source)
    have = torch.bincount(split.labels, minlength=len(source.classes))
    take = _shares(have, count)
    emptied = ((take == have) & (have > 0)).nonzero()
    if len(emptied):
        label = int(emptied[0])
        raise DataError(
            f"class {source.classes[label]!r} of {source.name} has {int(have[label])} image(s) to "
            f"train on, and holding out {count} of {len(split)} would leave none: add images or "
            "pass a smaller validation=COUNT"
        )
    held = _drawn(split.labels, take, seed)
    return split[~held], split[held]


def _shares(have: Tensor, count: int) -> Tensor:
    """How many of ``count`` images each class gives, of which it has ``have``: largest remainder.

    Each class gives the floor of its share, and those with the largest remainders one more, the
    lower label first.
    """
    whole = int(have.sum())
    take = have * count // whole
    missing = count - int(take.sum())
    take[torch.sort(have * count % whole, descending=True, stable=True).indices[:missing]] += 1
    return take


def _drawn(labels: Tensor, take: Tensor, seed: int) -> Tensor:
    """A mask over ``labels`` of ``take[k]`` images of each class k, at random."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.zeros(len(labels), dtype=torch.bool)
    for label, number in enumerate(take.tolist()):
        drawn[_shuffled_members(labels, label, generator)[:number]] = True
    return drawn


def _shuffled_members(labels: Tensor, label: int, generator: torch.Generator) -> Tensor:
    members = (labels == label).nonzero().flatten()
    return members[torch.randperm(len(members), generator=generator)]
