"""A folder of images becomes shards, and shards are checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from s3nn.cli import main
from s3nn.data import load

pytest.importorskip("webdataset")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(20):
        folder = tmp_path / "images" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 12), (number, 0, 0)).save(folder / f"{number}.png")
    return tmp_path / "images"


def test_written_and_checked(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    flags = ["--side", "8", "--per-shard", "5", "--validation", "2", "--licence", "CC0"]
    assert main(["shard", str(images), str(out), *flags]) == 0
    shown = capsys.readouterr()
    assert "14 train, 2 validation, 4 test images" in shown.out
    assert f"--data.name shards:{out}" in shown.out
    assert shown.err.splitlines()[-1] == "[s3nn] 5 of 5 shards written"
    spec = load(f"shards:{out}", crop=8).spec
    assert (spec.licence, spec.sizes["validation"]) == ("CC0", 2)
    assert main(["shard", "--check", str(out)]) == 0
    assert "whole" in capsys.readouterr().out
    shard = out / "train-000001.tar"
    shard.write_bytes(bytes(shard.stat().st_size))
    assert main(["shard", "--check", str(out)]) == 2
    assert "train-000001.tar has the SHA-256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "needs a folder of images and one to write"),
        (["images"], "needs a folder of images and one to write"),
        (["images", "images"], "is there already and is left alone"),
        (["images", "images/out"], "images/out lies inside of images"),
        (["images", "out", "--validation", "inf"], "validation=inf is no number of images"),
        (["nowhere", "out"], "there is no folder 'nowhere'"),
        (["images/a", "out"], "has 0 class folder"),
        (["images", "out", "--side", "0"], "side=0"),
        (["images", "out", "--validation", "40"], "too few to hold out 40"),
        (["images", "--check", "out"], "leave the other folders out"),
        (["--check", "nowhere"], "there is no folder 'nowhere'"),
        (["--check", "images"], "has no index.json"),
    ],
)
def test_a_mistake_in_the_request(
    words: list[str],
    says: str,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(images.parent)
    assert main(["shard", *words]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert [path.name for path in images.parent.iterdir()] == ["images"]


def test_an_interrupt_leaves_nothing(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(job: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("s3nn.data.sharding._write_shard", interrupted)
    assert main(["shard", str(images), str(tmp_path / "out")]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_a_run_on_shards_is_compiled_evaluated_and_exported(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shards, run = str(tmp_path / "out"), str(tmp_path / "run")
    assert main(["shard", str(images), shards, "--side", "12", "--per-shard", "5"]) == 0
    small = [
        "--model.width",
        "0.05",
        "--data.crop",
        "16",
        "--data.batch",
        "4",
        "--data.workers",
        "0",
    ]
    fit = ["--fit.epochs", "1", "--fit.precision", "32", "--fit.threads", "1", "--out", run]
    words = ["train", "imagenet_resnet18", "--data.name", f"shards:{shards}", *small, *fit]
    assert main(words) == 0
    assert main(["eval", run, "--compiled"]) == 0
    assert main(["export", run, "--to", "onnx", "--integer"]) == 0
