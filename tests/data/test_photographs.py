"""Photographs: which are in which split, and how they are cut."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from s3nn.data import load
from s3nn.data.photographs import SIDE, STRIDE, TEST, TRAIN, VALIDATION, patches, photograph
from s3nn.errors import UsageError


@pytest.fixture(scope="module")
def data():
    return load("photographs")


def test_no_photograph_is_in_two_splits(data) -> None:
    assert len({*TRAIN, *VALIDATION, *TEST}) == len(TRAIN) + len(VALIDATION) + len(TEST) == 15
    for split, names in ((data.train, TRAIN), (data.validation, VALIDATION), (data.test, TEST)):
        assert {data.spec.classes[i] for i in split.labels.unique()} == {*names}
    assert data.spec.shape == (1, SIDE, SIDE)


def test_patches_are_where_they_are_in_the_photograph(data) -> None:
    found = data.train.images[data.train.labels == TRAIN.index("clock")]
    whole = photograph("clock")
    corners = [
        (row, column)
        for row in range(0, whole.shape[1] - SIDE + 1, STRIDE)
        for column in range(0, whole.shape[2] - SIDE + 1, STRIDE)
    ]
    assert len(found) == len(corners)
    for patch, (row, column) in zip(found, corners, strict=True):
        assert torch.equal(patch, whole[:, row : row + SIDE, column : column + SIDE])
    side_by_side = patches(whole, SIDE)
    assert side_by_side.sum() == whole[:, : 300 // 64 * 64, : 400 // 64 * 64].sum()


@pytest.mark.parametrize("name", ["cat", "camera"])
def test_colours_become_grey_by_their_luma(name: str) -> None:
    pixels = np.asarray(getattr(skimage.data, name)(), dtype=float)
    expected = pixels @ [0.299, 0.587, 0.114] if pixels.ndim == 3 else pixels
    found = photograph(name)[0].numpy()
    assert np.abs(found - expected).max() <= 1
    assert np.abs(found - expected).mean() < 0.5


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave the data set's folder out"):
        load("photographs", folder=tmp_path)
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(UsageError, match=r"pip install 's3nn\[denoise\]'"):
        load("photographs")
