"""Training on few labels: which images they are, and what stays as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s3nn.cli import main
from s3nn.config import Run
from s3nn.data import DataSet, DataSpec, Split, few_labels, load
from s3nn.errors import UsageError
from s3nn.experiment.trained import open_run

ROOT = Path(__file__).resolve().parents[2]
DIGITS = load("digits")


def numbered(counts: list[int]) -> DataSet:
    """Classes of so many images, shuffled; image i is filled with i."""
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    index = torch.arange(len(labels), dtype=torch.uint8)
    split = Split(index.view(-1, 1, 1, 1), labels)
    names, sizes = tuple("abcdefg"[: len(counts)]), dict.fromkeys(("train", "test"), len(labels))
    spec = DataSpec("few", (1, 1, 1), names, (0.5,), (0.2,), "ours", "here", "sha256:0", sizes)
    return DataSet(spec, split, split, split)


def names(data: DataSet) -> list[int]:
    return data.train.images.flatten().tolist()


@given(
    counts=st.lists(st.integers(20, 60), min_size=2, max_size=4),
    labels=st.integers(12, 40),
    seed=st.integers(0, 2**31),
)
def test_they_are_drawn_by_class_without_repetition(
    counts: list[int], labels: int, seed: int
) -> None:
    whole = numbered(counts)
    few = few_labels(whole, labels, seed)
    assert len(few.train) == few.spec.sizes["train"] == len(set(names(few))) == labels
    assert torch.equal(few.train.labels, whole.train.labels[few.train.images.flatten().long()])
    for label, count in enumerate(counts):
        share = count * labels / sum(counts)
        assert abs(int((few.train.labels == label).sum()) - share) < 1
    more = few_labels(whole, min(sum(counts), labels + 7), seed)
    if len(set(counts)) == 1:
        assert set(names(few)) <= set(names(more))


def test_the_seed_moves_them_and_nothing_else() -> None:
    one, again, other = (few_labels(DIGITS, 50, seed) for seed in (3, 3, 4))
    assert torch.equal(one.train.images, again.train.images)
    assert not torch.equal(one.train.images, other.train.images)
    for few in (one, other):
        assert few.validation is DIGITS.validation
        assert few.test is DIGITS.test
        assert few.spec == replace(DIGITS.spec, sizes={**DIGITS.spec.sizes, "train": 50})
    every = few_labels(DIGITS, len(DIGITS.train), 0)
    assert torch.equal(every.train.images, DIGITS.train.images)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match=r"data.labels=1080: digits has 1079 images to train on"):
        few_labels(DIGITS, 1080, 0)
    with pytest.raises(UsageError, match=r"data.labels=9 is fewer than the 10 classes of digits"):
        few_labels(DIGITS, 9, 0)
    with pytest.raises(UsageError, match=r"leaves class 'b' of few without an image, .* 1 in 61"):
        few_labels(numbered([60, 1]), 10, 0)


def test_a_stream_has_none_to_draw_from(shards: Path) -> None:
    data = load(f"shards:{shards}", crop=16)
    with pytest.raises(UsageError, match=r"shards:small stay on disk: drop --data.labels"):
        few_labels(data, 10, 0)


def test_a_run_trains_on_them_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "digits_mlp", "--model.width", "0.1", "--fit.epochs", "1"]
    words += ["--fit.threads", "1", "--data.labels", "100", "--seed", "2"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert written["run"]["data"]["labels"] == 100
    assert written["data"]["splits"] == {**DIGITS.spec.sizes, "train": 100}
    opened = open_run(tmp_path / "run")
    assert torch.equal(opened.data().train.images, few_labels(DIGITS, 100, 2).train.images)
    capsys.readouterr()
    assert main([*words, "--data.labels", "0", "--out", str(tmp_path / "none")]) == 2
    assert "data.labels must be 1 or more, got 0" in capsys.readouterr().err
    assert main([*words, "--data.labels", "5", "--out", str(tmp_path / "none")]) == 2
    assert "fewer than the 10 classes" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_runs_that_know_of_no_labels_are_read() -> None:
    path = ROOT / "results" / "accuracy-fashion" / "fashion_cnn7_half" / "s3nn-seed0" / "run.json"
    tree = json.loads(path.read_text(encoding="utf-8"))["run"]
    tree["data"].pop("labels", None)
    assert Run.from_json(tree).data.labels is None
