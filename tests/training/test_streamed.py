"""The ImageNet recipe, from a folder of images to a trained network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s3nn.cli import main

pytest.importorskip("webdataset")

TINY = ["--model.width", "0.05", "--data.crop", "32", "--data.batch", "8", "--fit.epochs", "2"]
TINY += ["--fit.precision", "32", "--fit.threads", "1", "--fit.accelerator", "cpu"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 photographs of two classes, of several sizes, in shards of 8."""
    root, rng = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for number in range(40):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        path = (
            root / "images" / ("train", "test")[number % 4 == 3] / "ab"[number % 2 ^ number % 3 % 2]
        )
        path.mkdir(parents=True, exist_ok=True)
        coarse.resize((50 + number, 40), Image.Resampling.BICUBIC).save(path / f"{number}.jpg")
    words = ["shard", str(root / "images"), str(root / "shards"), "--side", "36"]
    assert main([*words, "--per-shard", "8", "--validation", "4"]) == 0
    return root / "shards"


def train(shards: Path, out: Path, *flags: str) -> int:
    words = ["train", "imagenet_resnet18", *TINY, "--data.name", f"shards:{shards}"]
    return main([*words, *flags, "--out", str(out)])


def test_the_recipe_runs_end_to_end(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(shards, out, "--data.workers", "1") == 0
    result = json.loads((out / "result.json").read_text())
    assert result["data"]["splits"] == {"train": 26, "validation": 4, "test": 10}
    assert 0 < result["rows"][0]["firing_rate"] < 1
    capsys.readouterr()
    assert main(["eval", str(out)]) == 0
    assert "of 10 test images" in capsys.readouterr().out
    assert main(["eval", str(out), "--split", "train"]) == 2
    assert "a stream of 26, not a tensor in memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--data.shift", "2"], "data.shift=2 moves images in memory"),
        (["--data.validation", "2"], "brings its own validation images"),
        (["--data.batch", "32"], "26 images in 4 shards make no batch of 32"),
    ],
)
def test_what_a_stream_cannot_do(
    shards: Path, tmp_path: Path, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(shards, tmp_path / "run", *flags) == 2
    assert says in capsys.readouterr().err
