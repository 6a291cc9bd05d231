import hashlib

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from s3nn.data import Split
from s3nn.data._measure import checksum, mean_and_std


@given(arrays(np.uint8, array_shapes(min_dims=4, max_dims=4, max_side=6)))
def test_mean_and_std_are_numpys(pixels: np.ndarray) -> None:
    mean, std = mean_and_std(torch.from_numpy(pixels))
    scaled = pixels / 255
    expected = scaled.std(axis=(0, 2, 3))
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 2, 3)), atol=1e-12)
    constant = (pixels == pixels[:1, :, :1, :1]).all(axis=(0, 2, 3))
    np.testing.assert_allclose(std, np.where(constant, 1.0, expected), atol=1e-9)


@given(st.integers(0, 4), st.integers(0, 15), st.integers(0, 4))
def test_the_checksum_sees_each_pixel_and_label(image: int, pixel: int, label: int) -> None:
    split = Split(torch.zeros(5, 1, 4, 4, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64))
    other_pixel = Split(split.images.clone(), split.labels)
    other_pixel.images[image].view(-1)[pixel] = 1
    other_label = Split(split.images, split.labels.clone())
    other_label.labels[label] = 1
    sums = {checksum([s]) for s in (split, other_pixel, other_label, split[:4])}
    assert len(sums) == 4
    assert checksum([split]) == checksum([split[torch.arange(5)]])


def test_the_checksum_is_what_its_docstring_says() -> None:
    split = Split(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1]))
    content = b"(2, 1, 2, 2)" + bytes(8) + bytes(8) + b"\1" + bytes(7)
    assert checksum([split]) == f"sha256:{hashlib.sha256(content).hexdigest()}"
