import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from s3nn.data._crops import AREA, RATIO, cut, middle_box, random_box

SIDES = st.integers(1, 700)


@given(width=SIDES, height=SIDES, seed=st.integers(0, 2**63))
def test_boxes_lie_in_the_image(width: int, height: int, seed: int) -> None:
    for box in (random_box(width, height, random.Random(seed)), middle_box(width, height)):
        left, upper, right, lower = box
        assert 0 <= left < right <= width
        assert 0 <= upper < lower <= height


@given(seed=st.integers(0, 2**63))
def test_random_boxes_have_the_areas_and_ratios_they_say(seed: int) -> None:
    left, upper, right, lower = random_box(500, 375, random.Random(seed))
    wide, high = right - left, lower - upper
    assert AREA[0] - 0.01 <= wide * high / (500 * 375) <= AREA[1]
    assert RATIO[0] - 0.01 <= wide / high <= RATIO[1] + 0.01


def test_an_image_too_long_for_any_ratio_gives_its_middle() -> None:
    assert random_box(1000, 30, random.Random(0)) == (480.0, 0.0, 520.0, 30.0)


def test_the_middle_is_what_resizing_and_cutting_out_give() -> None:
    """Of smooth images: the short side to 256, then the middle 224."""
    y, x = np.mgrid[:300, :400]
    image = Image.fromarray(np.stack([x // 2, y // 2, (x + y) // 4], -1).astype(np.uint8))
    resized = image.resize((round(400 * 256 / 300), 256), Image.Resampling.BILINEAR)
    left, upper = (resized.width - 224) / 2, (resized.height - 224) / 2
    expected = np.asarray(resized, dtype=int)[round(upper) :, round(left) :][:224, :224]
    got = cut(image, middle_box(*image.size), 224)
    assert got.shape == (224, 224, 3)
    assert np.abs(got - expected).max() <= 1
