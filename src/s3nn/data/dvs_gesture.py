"""DVS128 Gesture: eleven gestures of hands and arms before an event camera."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s3nn.data._aedat import read_aedat
from s3nn.data._event_frames import Framing
from s3nn.data._events import Events
from s3nn.data._recorded import Recorded, original_folder
from s3nn.data.base import Places, Raw, Split
from s3nn.errors import DataError

__all__ = ["DvsGesture"]

LISTS = ("trials_to_train.txt", "trials_to_test.txt")
WANTED = (
    f"{' and '.join(LISTS)} with the .aedat and _labels.csv files that they name, unpacked from "
    "DvsGesture.tar.gz of https://research.ibm.com/interactive/dvsgesture"
)
COLUMNS = ("class", "startTime_usec", "endTime_usec")


@dataclass(frozen=True)
class Gesture:
    """A class 0.., and when it begins and ends (microseconds, the end not included)."""

    label: int
    start: int
    end: int


class DvsGesture(Recorded):
    """1,176 train and 288 test recordings of gestures, 128x128 pixels of two polarities, 6 s each.

    A file is a trial, one person under one light; its label file says when each gesture begins and
    ends.  The people of test are others than those of train.  A stratified tenth of train is held
    out for validation: other gestures of the same people.

    Source: Amir et al., "A low power, fully event-based gesture recognition system", CVPR 2017;
    https://research.ibm.com/interactive/dvsgesture.
    """

    name = "dvs_gesture"
    classes = (
        "hand clapping",
        "right hand wave",
        "left hand wave",
        "right arm clockwise",
        "right arm counter clockwise",
        "left arm clockwise",
        "left arm counter clockwise",
        "arm roll",
        "air drums",
        "air guitar",
        "other gestures",
    )
    licence = "CC BY 4.0 (IBM, 2017)"

    def __init__(self, framing: Framing | None = None) -> None:
        super().__init__(framing)
        self.see((128, 128))

    def read(self, places: Places) -> Raw:
        folder = original_folder(self, places, WANTED)
        if (folder / "DvsGesture").is_dir():
            folder /= "DvsGesture"
        train, test = (self._part(folder, name) for name in LISTS)
        return Raw(train, test, validation=None, source="original files in the user's folder")

    def _part(self, folder: Path, trials: str) -> Split:
        names = _lines(folder / trials)
        gestures = {
            folder / name: self._gestures(folder / f"{Path(name).stem}_labels.csv")
            for name in names
            if name.strip()
        }
        labels = [gesture.label for found in gestures.values() for gesture in found]
        return self.framed(_cut(gestures), labels)

    def _gestures(self, path: Path) -> list[Gesture]:
        found = []
        for number, row in enumerate(csv.DictReader(_lines(path)), start=2):
            try:
                label, start, end = (int(row[column]) for column in COLUMNS)
            except (KeyError, TypeError, ValueError):
                raise DataError(
                    f"line {number} of {path} is not {','.join(COLUMNS)} in integers: fetch it "
                    "again"
                ) from None
            if not 1 <= label <= len(self.classes) or not start < end:
                raise DataError(
                    f"line {number} of {path} has class {label} from {start} to {end}: classes go "
                    f"from 1 to {len(self.classes)} and end after they start, fetch it again"
                )
            found.append(Gesture(label - 1, start, end))
        return found


def _cut(trials: dict[Path, list[Gesture]]) -> Iterator[tuple[Events, Path]]:
    """The events of each gesture, trial by trial."""
    for path, gestures in trials.items():
        events = read_aedat(path).events
        for gesture in gestures:
            first, last = np.searchsorted(events["t"], [gesture.start, gesture.end])
            if first == last:
                raise DataError(
                    f"{path} has no events from {gesture.start} to {gesture.end} microseconds, "
                    "where its labels have a gesture: fetch both files again"
                )
            yield events[first:last], path


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}) of dvs_gesture: {WANTED}") from error
