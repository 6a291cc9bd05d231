import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import s3nn.data._shards
from s3nn.data import Batches, Stream, load
from s3nn.data.sharding import write_shards
from s3nn.errors import DataError, UsageError

pytest.importorskip("webdataset")


@pytest.fixture
def copy(shards: Path, tmp_path: Path) -> Path:
    """Shards to break."""
    return Path(shutil.copytree(shards, tmp_path / "copy"))


def test_a_data_set_that_streams_is_described_as_any_other(shards: Path) -> None:
    data = load(f"shards:{shards}", crop=16)
    spec = data.spec
    assert (spec.name, spec.shape, spec.classes) == ("shards:small", (3, 16, 16), ("even", "odd"))
    assert spec.sizes == {"train": 26, "validation": 4, "test": 6}
    assert str(shards.parent) not in repr(spec)
    assert isinstance(data.train, Stream)
    assert len(data.train) == 26
    assert load("shards", folder=shards).spec.shape == (3, 224, 224)


def test_validation_and_test_are_decoded_when_they_are_looked_at(copy: Path) -> None:
    data = load(f"shards:{copy}", crop=16)
    assert data.test.images.shape == (6, 3, 16, 16)
    assert data.test.images.dtype == torch.uint8
    assert data.test.images[:, 0, 3, 3].tolist() == [30, 32, 34, 31, 33, 35]
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test[1:3].labels.tolist() == [0, 0]
    (copy / "validation-000000.tar").unlink()
    with pytest.raises(DataError, match=r"validation-000000\.tar is damaged \(FileNotFoundError"):
        data.validation.labels  # noqa: B018
    assert len(data.validation) == 4


def test_a_stream_is_no_tensor_and_says_so(shards: Path) -> None:
    data = load(f"shards:{shards}", crop=16)
    for use in (
        lambda: data.train.images,
        lambda: data.train.labels,
        lambda: data.train[:3],
        lambda: Batches(data.train, batch_size=2, mean=[0.5] * 3, std=[0.5] * 3),
    ):
        with pytest.raises(UsageError, match=r"a stream of 26, not a tensor in memory: .*Streamed"):
            use()
    assert repr(data.train).startswith("Stream(26 images in 4 shards")


def test_the_split_is_the_one_that_was_written(shards: Path) -> None:
    with pytest.raises(UsageError, match="brings its own validation images"):
        load(f"shards:{shards}", validation=3)


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tree = json.loads((folder / "index.json").read_text())
        change(tree)
        (folder / "index.json").write_text(json.dumps(tree))

    return edit


def cut_short(folder: Path) -> None:
    path = folder / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:700])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "index.json").unlink(), "has no index.json"),
        (lambda folder: (folder / "index.json").write_text("{"), r"index\.json is damaged"),
        (edited(lambda tree: tree.pop("mean")), "not of this version, or damaged: .*'mean'"),
        (edited(lambda tree: tree.update(version=2)), "index.version is 2"),
        (edited(lambda tree: tree["sizes"].update(train=27)), "train has 27 .* lists .* 26"),
        (edited(lambda tree: tree["shards"].pop("test")), "test has 6 .* lists shards with 0"),
        (
            lambda folder: (folder / "train-000002.tar").unlink(),
            r"lacks the shard train-000002\.tar",
        ),
        (
            edited(lambda tree: tree["shards"]["test"][0].update(name="../a.tar")),
            r"lacks the shard \.\./a\.tar",
        ),
        (cut_short, r"train-000001\.tar has 700 bytes, index\.json says \d+"),
    ],
)
def test_what_is_damaged_is_found_before_training(
    copy: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(copy)
    with pytest.raises(DataError, match=says):
        load(f"shards:{copy}")


def test_a_request_that_cannot_be_right_says_why(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no folder .*nowhere'.*s3nn shard IMAGES"):
        load(f"shards:{tmp_path / 'nowhere'}")
    with pytest.raises(UsageError, match="crop=0 is not a side"):
        load(f"shards:{shards}", crop=0)


def test_without_webdataset_the_extra_is_named(
    shards: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3nn.data._shards, "find_spec", lambda name: None)
    for use in (
        lambda: load(f"shards:{shards}"),
        lambda: write_shards(photographs, tmp_path / "a"),
    ):
        with pytest.raises(UsageError, match=r"pip install 's3nn\[stream\]'"):
            use()


def test_first_images_are_the_middles_of_the_first_in_the_shards(shards: Path) -> None:
    stream = load(f"shards:{shards}", crop=12).train
    first = stream.first(15)
    assert (first.shape, first.dtype) == ((15, 3, 12, 12), torch.uint8)
    assert torch.equal(first[:5], stream.first(5))
    assert len(stream.first(1000)) == len(stream)
