import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.data import load, normalise
from s3nn.data.sharding import write_shards
from s3nn.data.stream import StreamedBatches
from s3nn.errors import DataError, UsageError
from s3nn.models import ImagenetResnet18

pytest.importorskip("webdataset")

MEAN, STD = (0.3, 0.5, 0.2), (0.2, 0.25, 0.3)


def make(folder: Path, **options) -> StreamedBatches:
    options = {"batch_size": 4, "mean": MEAN, "std": STD} | options
    return StreamedBatches(load(f"shards:{folder}", crop=12).train, **options)


def numbers(batches: StreamedBatches, epoch: int = 0) -> list[list[int]]:
    """Which images are in each batch, told by their red."""
    batches.set_epoch(epoch)
    found = []
    for x, y in batches:
        reds = ((x[:, 0, 0, 0] * STD[0] + MEAN[0]) * 255).round().int().tolist()
        assert [red % 2 for red in reds] == y.tolist()
        found.append(reds)
    return found


def flat(batches: list[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


def same(a: list[tuple[Tensor, Tensor]], b: list[tuple[Tensor, Tensor]]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, other_x) and torch.equal(y, other_y)
        for (x, y), (other_x, other_y) in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_shows_each_image_at_most_once(shards: Path, workers: int) -> None:
    batches = make(shards, workers=workers)
    shown = numbers(batches)
    assert [len(batch) for batch in shown] == [4] * len(batches) == [4] * 6
    assert len(set(flat(shown))) == 24
    assert set(flat(shown)) <= set(range(26))
    assert flat(shown) != sorted(flat(shown))


@pytest.mark.parametrize("epoch", [0, 1, 5])
@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_the_images_out(shards: Path, world: int, epoch: int) -> None:
    ranks = [make(shards, rank=rank, world=world, batch_size=2 * world) for rank in range(world)]
    shown = [numbers(rank, epoch) for rank in ranks]
    assert len({len(batches) for batches in [*ranks, *shown]}) == 1
    assert len(ranks[0]) == (6 if world == 2 else 3)
    together = flat([number for rank in shown for number in rank])
    assert len(set(together)) == len(together)
    assert all(len(batch) == 2 for rank in shown for batch in rank)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_a_pure_function_of_seed_and_epoch(shards: Path, workers: int) -> None:
    def epoch_of(batches: StreamedBatches, epoch: int) -> list[tuple[Tensor, Tensor]]:
        batches.set_epoch(epoch)
        return list(batches)

    batches = make(shards, flip=True, workers=workers)
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    torch.rand(7)
    assert same(second, epoch_of(make(shards, flip=True, workers=workers), 1))
    assert same(first, epoch_of(batches, 0))
    assert not same(first, second)
    assert not same(first, epoch_of(make(shards, flip=True, workers=workers, seed=1), 0))


def test_the_buffer_only_orders(shards: Path) -> None:
    small, large = (numbers(make(shards, buffer=buffer, batch_size=2)) for buffer in (1, 100))
    assert sorted(flat(small)) == sorted(flat(large)) == list(range(26))
    assert small != large


def test_reading_leaves_the_random_numbers_of_training_alone(shards: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(make(shards, workers=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_are_normalised_and_channels_last(shards: Path) -> None:
    x, y = next(iter(make(shards)))
    assert (x.dtype, tuple(x.shape), y.dtype) == (torch.float32, (4, 3, 12, 12), torch.int64)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert next(iter(make(shards, crop=5)))[0].shape == (4, 3, 5, 5)
    green = torch.full((4, 3, 12, 12), 7, dtype=torch.uint8)
    assert torch.equal(x[:, 1], normalise(green, MEAN, STD)[:, 1])


def test_an_image_is_cut_anew_every_epoch_and_mirrored_every_other_time(tmp_path: Path) -> None:
    from PIL import Image

    ramp = Image.linear_gradient("L").rotate(90).resize((40, 30))  # columns tell left from right
    for number in range(40):
        path = tmp_path / "images" / ("train", "test")[number % 2] / "ab"[number % 4 // 2]
        path.mkdir(parents=True, exist_ok=True)
        Image.merge("RGB", [ramp] * 3).save(path / f"{number}.png")
    write_shards(tmp_path / "images", tmp_path / "out", validation=2)
    options = {"batch_size": 18, "mean": [0.0] * 3, "std": [1.0] * 3}
    stream = load(f"shards:{tmp_path / 'out'}", crop=8).train
    ((x, _),) = StreamedBatches(stream, **options, flip=True)
    rises = x[:, 0, 0, -1] > x[:, 0, 0, 0]
    assert 3 <= int(rises.sum()) <= 15
    ((plain, _),) = StreamedBatches(stream, **options)
    assert len({bool(rise) for rise in plain[:, 0, 0, -1] > plain[:, 0, 0, 0]}) == 1
    assert len(plain.unique(dim=0)) > 9, "each is cut in its own way"
    turned = torch.where((rises == rises[0])[:, None, None, None], x, x.flip(3))
    assert torch.equal(turned, plain) or torch.equal(turned.flip(3), plain), "the same cuts"


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"world": 5, "batch_size": 5}, DataError, r"4 train shard\(s\) for 5 processes, .*--per"),
        ({"batch_size": 27}, UsageError, "26 images in 4 shards make no batch of 27"),
        ({"batch_size": 32, "world": 2}, UsageError, "make no batch of 32 for 2 process"),
        ({"batch_size": 3, "world": 2}, UsageError, "multiple of world=2"),
        ({"rank": 2, "world": 2}, UsageError, "rank=2 of world=2"),
        ({"workers": -1}, UsageError, "workers=-1"),
        ({"buffer": 0}, UsageError, "buffer=0"),
        ({"std": (0.5, 0.0, 0.5)}, UsageError, "std > 0"),
    ],
)
def test_what_cannot_be_says_so(shards: Path, options, error, says: str) -> None:
    with pytest.raises(error, match=says):
        make(shards, **options)


def damage_a_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1024:1536] = b"x" * 512
    path.write_bytes(content)


def damage_an_image(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"IDAT", b"XDAT"))


def damage_a_label(path: Path) -> None:
    content = path.read_bytes()
    start = content.index(b".cls") // 512 * 512
    path.write_bytes(content[: start + 512] + b"7" + content[start + 513 :])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_a_header, r"train-000001\.tar is damaged \(.*s3nn shard --check"),
        (damage_an_image, r"cannot read image train-0+\d+ of .*train-000001\.tar as an image"),
        (damage_a_label, r"of .*train-000001\.tar has the label 7, outside the 2 classes"),
        (Path.unlink, r"train-000001\.tar is damaged \(FileNotFoundError"),
    ],
)
def test_damage_met_while_reading_is_one_sentence(
    shards: Path, tmp_path: Path, damage, says: str, workers: int
) -> None:
    copy = Path(shutil.copytree(shards, tmp_path / "copy"))
    batches = make(copy, workers=workers, batch_size=2)
    damage(copy / "train-000001.tar")
    with pytest.raises(DataError, match=says) as caught:
        list(batches)
    assert "\n" not in str(caught.value)


def test_from_shards_to_a_training_step(photographs: Path, tmp_path: Path) -> None:
    write_shards(photographs, tmp_path / "out", per_shard=13)
    data = load(f"shards:{tmp_path / 'out'}", crop=64)
    spec = data.spec
    batches = StreamedBatches(data.train, batch_size=8, mean=spec.mean, std=spec.std, flip=True)
    network = ImagenetResnet18(spec.shape, len(spec.classes), width=0.05)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    before = network.encode[0][0].weight.detach().clone()
    x, y = next(iter(batches))
    loss = cross_entropy(network(x), y)
    loss.backward()
    optimizer.step()
    assert loss.isfinite()
    assert not torch.equal(network.encode[0][0].weight, before)
    network.eval()
    assert network(normalise(data.validation.images, spec.mean, spec.std)).shape == (4, 2)
