"""Data sets of events, on small files in the layout of the original archives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from s3nn.config import Data, Fit, Model, Run
from s3nn.data import load
from s3nn.errors import DataError, UsageError
from s3nn.experiment.train import train
from s3nn.recipes import find_recipe
from s3nn.rows import with_row

BEGIN = 1000  # of a gesture, microseconds


@pytest.fixture
def n_mnist(tmp_path: Path, write_atis) -> Path:
    """40 train and 20 test recordings; digit d has its events in column d, four of them."""
    for part, number in (("Train", 40), ("Test", 20)):
        for i in range(number):
            digit = (7 * i) % 10
            events = [(100 * k, digit, 3 * k, k % 2) for k in range(4)]
            write_atis(tmp_path / part / str(digit) / f"{i + 1:05}.bin", events)
    return tmp_path


@pytest.fixture
def gestures(tmp_path: Path, write_aedat3) -> Path:
    """Trials of every class, three times each; two train trials and one for test."""
    top = tmp_path / "DvsGesture"
    for trial in ("user01_led", "user02_led", "user24_lab"):
        lines, events = ["class,startTime_usec,endTime_usec"], []
        for i, label in enumerate([*range(1, 12)] * 3):
            start = BEGIN + 100 * i
            lines.append(f"{label},{start},{start + 80}")
            events += [(start + 10 * k, label, 3, k % 2) for k in range(10)]  # two in the pause
        write_aedat3(top / f"{trial}.aedat", events[:50], events[50:])
        (top / f"{trial}_labels.csv").write_text("\n".join(lines) + "\n")
    (top / "trials_to_train.txt").write_text("user01_led.aedat\nuser02_led.aedat\n")
    (top / "trials_to_test.txt").write_text("user24_lab.aedat\n")
    return tmp_path


def test_n_mnist_is_in_the_order_of_its_numbers(n_mnist: Path) -> None:
    data = load("n_mnist", folder=n_mnist, frames=2, validation=10)
    assert data.spec.shape == (4, 34, 34)
    assert data.spec.sizes == {"train": 30, "validation": 10, "test": 20}
    labels = [(7 * i) % 10 for i in range(40)]
    assert data.train.labels.tolist() + data.validation.labels.tolist() == labels
    image = data.test.images[3]
    assert image.sum() == 4
    where = [tuple(place) for place in image.nonzero().tolist()]
    # Events 0, 1 are in frame 0 and 2, 3 in frame 1; polarities take turns.
    assert where == [(0, 0, 1), (1, 3, 1), (2, 6, 1), (3, 9, 1)]
    again = load("n_mnist", folder=n_mnist, frames=2, validation=10, frames_by="count")
    assert torch.equal(again.test.images, data.test.images)


def test_n_mnist_says_what_is_missing(n_mnist: Path, write_atis) -> None:
    (n_mnist / "Train" / "7" / "00002.bin").unlink()
    with pytest.raises(DataError, match=r"Train has no recording 00002\.bin.*next is 4/00003\.bin"):
        load("n_mnist", folder=n_mnist, frames=2)
    write_atis(n_mnist / "Train" / "7" / "00002.bin", [(0, 34, 0, 0)])
    with pytest.raises(DataError, match=r"00002\.bin has an event outside of the sensor of 34x34"):
        load("n_mnist", folder=n_mnist, frames=2)
    with pytest.raises(DataError, match=r"Train has no recordings of n_mnist: Train/0 to Train/9"):
        load("n_mnist", folder=n_mnist / "Train", frames=2)
    with pytest.raises(
        DataError, match=r"n_mnist is not downloaded.*Train\.zip and Test\.zip of ht"
    ):
        load("n_mnist", frames=2)


def test_gestures_are_cut_out_of_their_trials(gestures: Path) -> None:
    data = load("dvs_gesture", folder=gestures, frames=2, frames_by="count", validation=11)
    assert data.spec.shape == (4, 128, 128)
    assert data.spec.sizes == {"train": 55, "validation": 11, "test": 33}
    assert data.test.labels.tolist() == [*range(11)] * 3
    for image, label in zip(data.test.images, data.test.labels, strict=True):
        # Eight of ten events are within the window, in row 3 and the class' column.
        assert image.sum() == 8
        assert image[:, 3, int(label) + 1].tolist() == [2, 2, 2, 2]
    assert load("dvs_gesture", folder=gestures / "DvsGesture", frames=2).spec.sizes["test"] == 33


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("12,1000,1100", "line 35 of .*user24_lab_labels.csv has class 12 from 1000 to 1100"),
        ("1,1100,1100", "line 35 .* has class 1 from 1100 to 1100: classes go from 1 to 11"),
        ("1,now,1100", "line 35 of .* is not class,startTime_usec,endTime_usec in integers"),
        ("1,90000,91000", r"user24_lab\.aedat has no events from 90000 to 91000 microseconds"),
    ],
)
def test_labels_that_cannot_be_right_are_named(line: str, says: str, gestures: Path) -> None:
    labels = gestures / "DvsGesture" / "user24_lab_labels.csv"
    labels.write_text(labels.read_text() + line + "\n")
    with pytest.raises(DataError, match=says):
        load("dvs_gesture", folder=gestures, frames=2)


def test_a_trial_or_a_list_that_is_missing_is_named(gestures: Path) -> None:
    (gestures / "DvsGesture" / "user02_led.aedat").unlink()
    with pytest.raises(DataError, match=r"cannot read .*user02_led\.aedat"):
        load("dvs_gesture", folder=gestures, frames=2)
    with pytest.raises(DataError, match=r"cannot read .*trials_to_train\.txt.*DvsGesture\.tar\.gz"):
        load("dvs_gesture", folder=gestures.parent, frames=2)


def test_own_recordings_without_a_sensor(tmp_path: Path, write_atis) -> None:
    for i in range(20):
        x = 19 if i == 7 else i % 5
        write_atis(tmp_path / "own" / ("left", "right")[i % 2] / f"{i}.BIN", [(5, x, 11, 1)])
    data = load(f"events:{tmp_path / 'own'}", frames=3)
    assert (data.spec.name, data.spec.classes) == ("events:own", ("left", "right"))
    assert data.spec.shape == (6, 12, 20)
    assert data.spec.sizes == {"train": 12, "validation": 4, "test": 4}
    assert int(data.train.images.sum()) == 12


def test_own_recordings_of_a_named_sensor(tmp_path: Path, write_aedat3, write_atis) -> None:
    for part in ("train", "validation", "test"):
        for name in ("left", "right"):
            write_aedat3(tmp_path / part / name / "1.aedat", [(5, 1, 2, 1)])
    data = load(f"events:{tmp_path}", frames=1)
    assert data.spec.shape == (2, 128, 128)
    assert data.spec.sizes == {"train": 2, "validation": 2, "test": 2}
    path = tmp_path / "test" / "left" / "1.aedat"
    path.write_bytes(path.read_bytes().replace(b"DVS128", b"DAVIS346C"))
    with pytest.raises(
        DataError, match="with a sensor of 346x260 pixels, the others with one of 128"
    ):
        load(f"events:{tmp_path}", frames=1)
    (tmp_path / "train" / "left" / "1.aedat").rename(tmp_path / "train" / "left" / "1.txt")
    with pytest.raises(DataError, match=r"left has no recordings \(files named \.bin, \.aedat\)"):
        load(f"events:{tmp_path}", frames=1)


@pytest.mark.parametrize(
    ("name", "frames", "says"),
    [
        ("n_mnist", None, "n_mnist has recordings of events: say how many frames"),
        ("digits", 4, "frames=4 is for recordings of events; digits has images"),
        ("events", 4, "name the folder of your recordings once, as events:PATH"),
        ("events:/no/such", 4, "there is no folder '/no/such'"),
    ],
)
def test_frames_are_for_events_and_needed_there(name: str, frames: int | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load(name, frames=frames)


def test_steps_that_do_not_divide_the_frames() -> None:
    run = Run(data=Data(name="n_mnist", frames=10), model=Model(encoder="frames", steps=5))
    assert run.check() == run
    with pytest.raises(UsageError, match=r"data\.frames=10 cannot be dealt to model\.steps=4"):
        run.with_model(steps=4).check()
    assert run.with_model(steps=4, encoder="direct").check().model.steps == 4


@pytest.mark.parametrize("name", ["n_mnist", "dvs_gesture"])
def test_the_rows_of_a_recipe_of_events(name: str) -> None:
    run = find_recipe(name)
    assert with_row(run, "s3nn").model.neuron == "fire"
    assert with_row(run, "s3nn").model.steps == 1
    assert with_row(run, "lif-t5").model.steps == 5
    own = run.with_model(neuron="lif(tau=4)")
    assert with_row(own, "lif-t10").model.neuron == "lif(tau=4)"
    assert with_row(own, "timing-t10").model.neuron == "timing"
    with pytest.raises(UsageError, match=r"data\.frames=10 cannot be dealt to model\.steps=4"):
        with_row(run, "lif-t4")


def test_one_step_sees_all_frames_and_two_see_half_of_them_each(
    n_mnist: Path, tmp_path: Path
) -> None:
    recipe = find_recipe("n_mnist")
    run = replace(
        recipe,
        data=replace(recipe.data, folder=str(n_mnist), validation=10, batch=10, frames=4),
        model=replace(recipe.model, name="mlp", width=0.05, steps=4),
        fit=Fit(epochs=1, threads=1),
    )
    rows = {
        name: train(with_row(run, name), tmp_path / name, progress=False).rows[0]
        for name in ("s3nn", "lif-t2")
    }
    assert {name: row.steps for name, row in rows.items()} == {"s3nn": 1, "lif-t2": 2}
    # The first layer reads 8 channels once, or 4 twice: as many operations, half of the weights.
    assert rows["s3nn"].macs == rows["lif-t2"].macs == 8 * 34 * 34 * 20
    assert rows["s3nn"].parameters - rows["lif-t2"].parameters == 4 * 34 * 34 * 20


def test_event_images_are_not_black_in_the_report() -> None:
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    from s3nn.report.images import picture

    image = np.zeros((4, 2, 2), np.uint8)
    image[:, 0, 1] = (1, 0, 2, 1)
    png = Image.open(BytesIO(b64decode(picture(image).partition(",")[2])))
    assert np.asarray(png).tolist() == [[0, 255], [0, 0]]
