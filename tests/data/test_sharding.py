import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s3nn.data import load
from s3nn.data._shards import read_index, read_samples
from s3nn.data.sharding import check_shards, prepare, write_shards
from s3nn.errors import DataError, UsageError

wds = pytest.importorskip("webdataset")


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_the_archives_hold_the_files_and_their_labels(photographs: Path, shards: Path) -> None:
    index = read_index(shards)
    assert index.classes == ("even", "odd")
    assert index.sizes == {"train": 26, "validation": 4, "test": 6}
    assert [shard.images for shard in index.shards["train"]] == [6, 7, 6, 7]
    originals = {path.read_bytes(): path for path in photographs.glob("train/*/*.png")}
    seen: list[Path] = []
    for shard in index.shards["train"]:
        files = members(shards / shard.name)
        keys = sorted({name.partition(".")[0] for name in files})
        assert sorted(files) == sorted(
            f"{key}.{suffix}" for key in keys for suffix in ("cls", "png")
        )
        labels = [int(files[f"{key}.cls"]) for key in keys]
        assert set(labels) == {0, 1}, "classes are mixed"
        found = [originals[files[f"{key}.png"]] for key in keys]
        assert [path.parent.name for path in found] == [index.classes[label] for label in labels]
        seen += found
    assert sorted(seen) == sorted(originals.values())
    assert seen != sorted(seen)


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_webdataset_reads_them(shards: Path) -> None:
    paths = [str(path) for path in sorted(shards.glob("train-*.tar"))]
    samples = list(wds.WebDataset(paths, shardshuffle=False, empty_check=False).decode("pil"))
    assert len({sample["__key__"] for sample in samples}) == 26
    assert all(sample["png"].getpixel((0, 0))[0] % 2 == sample["cls"] for sample in samples)


def test_mean_and_std_are_those_of_the_train_images(photographs: Path, shards: Path) -> None:
    pixels = np.stack([np.asarray(Image.open(p)) for p in photographs.glob("train/*/*.png")]) / 255
    index = read_index(shards)
    assert index.mean == pytest.approx(pixels.mean((0, 1, 2)))
    assert index.std[::2] == pytest.approx(pixels.std((0, 1, 2))[::2])
    assert index.std[1] == 1, "green never changes"


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_images_give_the_same_bytes(
    photographs: Path, shards: Path, workers: int, tmp_path: Path
) -> None:
    ticks: list[tuple[int, int]] = []
    write_shards(
        photographs,
        tmp_path / "again",
        per_shard=8,
        workers=workers,
        tick=lambda done, of: ticks.append((done, of)),
    )
    assert ticks == [(number, 6) for number in range(1, 7)]
    for path in shards.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    assert load(f"shards:{tmp_path / 'again'}", crop=8).spec.checksum == (
        load(f"shards:{shards}", crop=8).spec.checksum
    )
    write_shards(photographs, tmp_path / "other", per_shard=8, seed=1)
    first = "train-000000.tar"
    assert (tmp_path / "other" / first).read_bytes() != (shards / first).read_bytes()


def test_a_folder_without_parts_is_split_as_folder_does(photographs: Path, tmp_path: Path) -> None:
    write_shards(photographs / "train", tmp_path / "out")
    own, given = (
        load(f"{kind}:{path}", **options)
        for kind, path, options in (
            ("shards", tmp_path / "out", {"crop": 8}),
            ("folder", photographs / "train", {}),
        )
    )
    assert own.spec.sizes == given.spec.sizes
    for part in ("validation", "test"):
        reds = [getattr(data, part).images[:, 0, 4, 4].tolist() for data in (own, given)]
        assert reds[0] == reds[1]
    with pytest.raises(UsageError, match="brings its own validation images"):
        write_shards(photographs, tmp_path / "no", validation=3)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_images_become_rgb_of_the_size_asked_for(tmp_path: Path) -> None:
    red = Image.new("RGB", (40, 60), (200, 20, 20))
    kept = saved(tmp_path / "kept.jpg", red)
    assert prepare(kept, 40)[1:] == (kept.read_bytes(), "jpg")
    assert prepare(kept, 20)[0].size == (20, 30)
    named = tmp_path / "named.JPEG"  # as one of the published ImageNet is: a PNG
    saved(tmp_path / "a.png", red).rename(named)
    assert prepare(named, 64)[1:] == (named.read_bytes(), "png")
    sideways = Image.Exif()
    sideways[0x0112] = 6
    changed = {
        "grey.jpg": (red.convert("L"), {}),
        "cmyk.jpg": (red.convert("CMYK"), {}),
        "palette.png": (red.convert("P"), {}),
        "clear.png": (red.convert("RGBA"), {}),
        "bitmap.bmp": (red, {}),
        "turned.jpg": (red, {"exif": sideways}),
    }
    for name, (image, options) in changed.items():
        path = saved(tmp_path / name, image, **options)
        prepared, content, suffix = prepare(path, 64)
        assert (suffix, prepared.mode) == ("jpg", "RGB"), name
        assert content != path.read_bytes()
        assert prepared.size == ((60, 40) if name == "turned.jpg" else (40, 60))
    with pytest.raises(DataError, match=r"deep\.png has the colour mode I;16"):
        prepare(saved(tmp_path / "deep.png", Image.new("I;16", (4, 4))), 64)


def test_nothing_is_left_of_what_failed(photographs: Path, tmp_path: Path) -> None:
    images = shutil.copytree(photographs, tmp_path / "images")
    (images / "train" / "odd" / "003.png").write_bytes(b"not an image")
    for workers in (0, 2):
        with pytest.raises(DataError, match=r"cannot read .*odd/003\.png as an image"):
            write_shards(images, tmp_path / "out", workers=workers)
        assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_what_is_there_is_left_alone(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is there already and is left alone"):
        write_shards(photographs, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"side": 0}, {"per_shard": 0}, {"workers": -1}])
def test_a_number_that_cannot_be_is_refused(photographs: Path, tmp_path: Path, options) -> None:
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=f"{name}={value} "):
        write_shards(photographs, tmp_path / "out", **options)


def test_a_checksum_that_differs_names_the_shard(shards: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shards, tmp_path / "copy")
    assert check_shards(copy) == read_index(shards)
    path = copy / "test-000000.tar"
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"test-000000\.tar has the SHA-256 .*damaged, copy it"):
        check_shards(copy)


def test_samples_come_in_order(shards: Path) -> None:
    shard = read_index(shards).shards["validation"][0]
    samples = list(read_samples(shards / shard.name, shard.images))
    assert [sample.key for sample in samples] == [f"validation-{n:08}" for n in range(4)]
    assert [sample.label for sample in samples] == [0, 0, 1, 1]
