import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3nn.data import Batches, Split, normalise
from s3nn.data.batches import augment, draw
from s3nn.errors import UsageError

MEAN, STD = (0.3, 0.5, 0.2), (0.2, 0.25, 0.3)


def split_of(number: int, shape: tuple[int, int, int] = (3, 6, 5)) -> Split:
    generator = torch.Generator().manual_seed(number)
    images = torch.randint(0, 256, (number, *shape), dtype=torch.uint8, generator=generator)
    return Split(images, torch.arange(number))


def make(split: Split, **options) -> Batches:
    channels = split.images.shape[1]
    options = {"batch_size": 4, "mean": MEAN[:channels], "std": STD[:channels]} | options
    return Batches(split, **options)


@given(st.integers(0, 2**31))
def test_normalise_is_the_formula(seed: int) -> None:
    images = torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    )
    wide = (1, 3, 1, 1)
    expected = (images.numpy() / 255 - np.reshape(MEAN, wide)) / np.reshape(STD, wide)
    got = normalise(images, MEAN, STD)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-6)


def by_hand(image: np.ndarray, flip: bool, rows: int, columns: int) -> np.ndarray:
    """Mirror, then look for each pixel ``rows`` below and ``columns`` to the right."""
    if flip:
        image = image[:, :, ::-1]
    _, height, width = image.shape
    out = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            from_y, from_x = y + rows, x + columns
            if 0 <= from_y < height and 0 <= from_x < width:
                out[:, y, x] = image[:, from_y, from_x]
    return out


@given(data=st.data(), channels=st.sampled_from([1, 3]), shift=st.integers(0, 3))
def test_augmentation_is_what_numpy_does_pixel_by_pixel(data, channels: int, shift: int) -> None:
    number, height, width = (data.draw(st.integers(low, 6)) for low in (1, 4, 4))
    images = split_of(number, (channels, height, width)).images
    flip = data.draw(st.lists(st.booleans(), min_size=number, max_size=number))
    moves = st.lists(st.integers(-shift, shift), min_size=number, max_size=number)
    rows, columns = data.draw(moves), data.draw(moves)
    got = augment(images, *(torch.tensor(each) for each in (flip, rows, columns)), shift)
    # The mirrored image is moved the same way as the others: content goes up and left.
    expected = [by_hand(*each) for each in zip(images.numpy(), flip, rows, columns, strict=True)]
    np.testing.assert_array_equal(got.numpy(), np.stack(expected))


def test_the_augmentation_is_drawn_evenly() -> None:
    drawn = draw(20_000, seed=0, epoch=0, shuffle=True, flip=True, shift=2)
    assert abs(drawn.flip.float().mean() - 0.5) < 0.02
    for moves in (drawn.rows, drawn.columns):
        assert (torch.bincount(moves + 2) / 20_000 - 0.2).abs().max() < 0.02
    assert torch.equal(drawn.order.sort().values, torch.arange(20_000))


@settings(max_examples=60)
@given(
    number=st.integers(1, 40),
    world=st.integers(1, 4),
    per_rank=st.integers(1, 4),
    drop_last=st.booleans(),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
)
def test_the_ranks_together_are_the_single_process(
    number: int, world: int, per_rank: int, drop_last: bool, epoch: int, shuffle: bool
) -> None:
    batch_size = world * per_rank
    if drop_last and number < batch_size:
        return
    options = {
        "batch_size": batch_size,
        "flip": True,
        "shift": 2,
        "shuffle": shuffle,
        "drop_last": drop_last,
        "seed": 5,
    }
    split = split_of(number)
    alone = make(split, **options)
    ranks = [make(split, rank=rank, world=world, **options) for rank in range(world)]
    for batches in (alone, *ranks):
        batches.set_epoch(epoch)
    parts = [list(batches) for batches in ranks]
    whole = list(alone)
    assert {len(part) for part in parts} == {len(alone)} == {len(whole)}
    seen = 0
    for index, (x, y) in enumerate(whole):
        union_x = torch.cat([part[index][0] for part in parts])
        union_y = torch.cat([part[index][1] for part in parts])
        sizes = [len(part[index][1]) for part in parts]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
        assert torch.equal(union_x[: len(x)], x)
        assert torch.equal(union_y[: len(y)], y)
        if len(y) < world:
            assert set(union_y.tolist()) == set(y.tolist())
        else:
            assert len(union_y) == len(y)
        seen += len(union_y)
    expected = number // batch_size * batch_size if drop_last else number
    assert seen == expected + alone.repeated + ranks[0].repeated


def test_an_epoch_is_a_pure_function_of_seed_and_epoch() -> None:
    def epoch_of(batches: Batches, epoch: int) -> list[torch.Tensor]:
        batches.set_epoch(epoch)
        return [x for x, _ in batches]

    options = {"flip": True, "shift": 1, "shuffle": True}
    split = split_of(12)
    batches = make(split, **options)
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    resumed = epoch_of(make(split, **options), 1)
    torch.rand(7)
    assert all(torch.equal(a, b) for a, b in zip(second, resumed, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(first, epoch_of(batches, 0), strict=True))
    assert not torch.equal(first[0], second[0])
    assert not torch.equal(first[0], epoch_of(make(split, seed=1, **options), 0)[0])


def test_seeds_that_differ_above_32_bits_differ() -> None:
    low, high = (make(split_of(30), shuffle=True, seed=seed) for seed in (1, 1 + 2**32))
    assert next(iter(low))[1].tolist() != next(iter(high))[1].tolist()


def test_without_options_the_images_come_in_order_and_unchanged() -> None:
    split = split_of(10)
    x = torch.cat([x for x, _ in make(split)])
    assert torch.equal(x, normalise(split.images, MEAN, STD))
    assert [y.tolist() for _, y in make(split)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(make(split, drop_last=True)) == 2


@pytest.mark.parametrize("augmented", [{}, {"flip": True, "shift": 2}])
def test_the_memory_format_is_the_one_asked_for(augmented: dict) -> None:
    split = split_of(4)
    last = next(iter(make(split, **augmented)))[0]
    first = next(iter(make(split, channels_last=False, **augmented)))[0]
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert first.is_contiguous()
    assert torch.equal(last, first)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 6, "world": 4}, "batch_size=6 .* multiple of world=4 .* try 8"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"rank": 2, "world": 2}, "rank=2 of world=2"),
        ({"shift": 5}, "shift=5 .* 6x5 pixels"),
        ({"shift": -1}, "shift=-1"),
        ({"batch_size": 16, "drop_last": True}, "10 images make no batch of 16"),
        ({"mean": (0.5,)}, "3 channels, 1 means and 3 stds"),
        ({"std": (0.5, 0.0, 0.5)}, "std > 0"),
    ],
)
def test_what_cannot_be_says_so(options: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(split_of(10), **options)
