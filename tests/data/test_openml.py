from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.datasets

from s3nn.data import load
from s3nn.data._openml import OpenML, read_openml
from s3nn.data.base import Places, Raw, Source
from s3nn.errors import DataError

INSTEAD = "do it by hand"


class Tiny(Source):
    name, classes, shape, licence = "tiny", ("cat", "dog"), (1, 2, 2), "ours"
    openml = OpenML(number=12, rows=6, test_counts=(1, 1))

    def read(self, places: Places) -> Raw:
        return read_openml(self, self.openml, places, INSTEAD)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What OpenML gives; a test may change it.  ``asked`` counts the downloads."""
    given: dict[str, Any] = {
        "data": np.arange(24, dtype=np.float64).reshape(6, 4),
        "target": np.array(["0", "1", "0", "1", "0", "1"], dtype=object),
        "error": None,
        "asked": 0,
    }

    def fetch_openml(*, data_id: int, **options: Any) -> SimpleNamespace:
        assert data_id == 12
        assert options["as_frame"] is False
        given["asked"] += 1
        if given["error"] is not None:
            raise given["error"]
        return SimpleNamespace(data=given["data"], target=given["target"])

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    return given


def test_a_download_is_kept_and_read_again(answer: dict[str, Any], nowhere: Places) -> None:
    first, second = Tiny().read(nowhere), Tiny().read(nowhere)
    assert answer["asked"] == 1
    assert first.source == second.source == "OpenML data set 12, kept in the local cache"
    for raw in (first, second):
        assert raw.test is not None
        assert raw.train.images.flatten().tolist() == list(range(16))
        assert raw.test.images[0].tolist() == [[[16, 17], [18, 19]]]
        assert (raw.train.labels.tolist(), raw.test.labels.tolist()) == ([0, 1, 0, 1], [0, 1])
    assert [path.name for path in nowhere.cache.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    "target", [["cat", "dog"] * 3, np.array([0, 1] * 3), np.array([0.0, 1.0] * 3)]
)
def test_labels_may_be_names_or_numbers(target, answer: dict[str, Any], nowhere: Places) -> None:
    answer["target"] = np.array(target)
    assert Tiny().read(nowhere).train.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"error": OSError("no route")}, r"OSError: no route\).*or do it by hand"),
        ({"error": ValueError("bad checksum")}, "ValueError: bad checksum"),
        ({"data": np.zeros((5, 4))}, r"images \(5, 4\) .*expected \(6, 4\)"),
        ({"data": np.full((6, 4), 0.5)}, "not integers 0..255"),
        ({"data": np.full((6, 4), 256.0)}, "not integers 0..255"),
        ({"target": np.array(["0", "1", "2"] * 2)}, "label '2', which is none of the 2 classes"),
        ({"target": np.array(["0", "1", "0", "1", "1", "1"])}, r"\[0, 2\] images a class"),
    ],
)
def test_a_failed_download_leaves_nothing_behind(
    change: dict[str, Any], says: str, answer: dict[str, Any], nowhere: Places
) -> None:
    answer |= change
    with pytest.raises(DataError, match=says):
        Tiny().read(nowhere)
    assert not nowhere.cache.exists()


def test_an_interrupted_write_leaves_nothing_behind(
    answer: dict[str, Any], nowhere: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, **arrays: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Tiny().read(nowhere)
    assert list(nowhere.cache.iterdir()) == []


def test_another_process_that_was_faster_is_fine(
    answer: dict[str, Any], nowhere: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = np.savez

    def slow(path: Path, **arrays: Any) -> None:
        monkeypatch.setattr(np, "savez", save)
        Tiny().read(nowhere)
        save(path, **arrays)

    monkeypatch.setattr(np, "savez", slow)
    Tiny().read(nowhere)
    assert answer["asked"] == 2
    Tiny().read(nowhere)
    assert answer["asked"] == 2
    assert [path.name for path in nowhere.cache.iterdir()] == ["tiny"]


def damage_content(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_content, "does not match the checksum"),
        (lambda path: path.write_bytes(b""), "does not match the checksum"),
        (Path.unlink, "cannot read the cache entry"),
        (lambda path: path.with_name("data.npz.sha256").unlink(), "cannot read the cache entry"),
    ],
)
def test_a_damaged_cache_is_seen(damage, says, answer: dict[str, Any], nowhere: Places) -> None:
    Tiny().read(nowhere)
    damage(nowhere.cache / "tiny" / "data.npz")
    with pytest.raises(DataError, match=f"{says}.*remove"):
        Tiny().read(nowhere)


def test_a_cache_that_cannot_be_written_is_said(answer: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="XDG_CACHE_HOME"):
        Tiny().read(Places(None, tmp_path / "file", download=True))


def test_without_downloads_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"downloads are off.*--data\.folder.*train-images-idx3"):
        load("mnist", cache=tmp_path, download=False)


def test_fashion_mnist_names_the_debian_package(tmp_path: Path, monkeypatch) -> None:
    from s3nn.data import fashion_mnist

    monkeypatch.setattr(fashion_mnist, "DEBIAN", (tmp_path, fashion_mnist.DEBIAN[1]))
    with pytest.raises(DataError, match="install the Debian package dataset-fashion-mnist, or"):
        load("fashion_mnist", cache=tmp_path, download=False)
