"""The user's own recordings of events: one folder a class."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from s3nn.data._event_frames import Framing
from s3nn.data._events import Events as EventArray
from s3nn.data._listing import (
    Listing,
    find_classes,
    find_folder,
    find_parts,
    list_part,
    named_files,
)
from s3nn.data._recorded import READERS, Recorded, read_recording
from s3nn.data.base import Places, Raw, Split
from s3nn.errors import DataError

__all__ = ["Events"]

recording_files = partial(named_files, extensions=tuple(READERS), what="recordings")


class Events(Recorded):
    """Your own recordings: PATH/CLASS/FILE, or PATH/train/CLASS/FILE with PATH/test beside it.

    A file is one recording, ``.aedat`` (2.0 of a DVS128, or 3.1) or ``.bin`` as in N-MNIST.
    Classes and parts are found as those of ``folder:PATH``.  The sensor is the one that the files
    name, and all must agree; where the first names none, it is the smallest that holds all events.

    Parameters
    ----------
    path: the folder.
    framing: how a recording becomes frames.
    """

    licence = "the user's own recordings"

    def __init__(self, path: Path | str, framing: Framing | None = None) -> None:
        super().__init__(framing)
        self.path = find_folder(Path(path))
        self.name = f"events:{self.path.resolve().name}"
        self.parts = find_parts(self.path)
        self.classes = find_classes(self.path / "train" if self.parts else self.path)

    def read(self, places: Places) -> Raw:
        source = "the user's folder of recordings"
        tops = {part: self.path / part for part in self.parts} or {"": self.path}
        files = {part: list_part(top, self.classes, recording_files) for part, top in tops.items()}
        paths = [path for part in sorted(files, reverse=True) for path in files[part].paths]
        first = read_recording(paths[0]).sensor  # of a training recording
        self.see(first or _extent(paths))
        splits = {part: self._frames(listing) for part, listing in files.items()}
        if not self.parts:
            return Raw(splits[""], test=None, validation=None, source=source)
        return Raw(splits["train"], splits["test"], splits.get("validation"), source)

    def _frames(self, files: Listing) -> Split:
        samples = ((self._recording(path), path) for path in files.paths)
        return self.framed(samples, files.labels.tolist())

    def _recording(self, path: Path) -> EventArray:
        recording = read_recording(path)
        if recording.sensor is not None and recording.sensor != self.sensor:
            raise DataError(
                f"{path} was recorded with a sensor of {_in_words(recording.sensor)} pixels, the "
                f"others with one of {_in_words(self.sensor)}: keep them apart"
            )
        return recording.events


def _extent(paths: list[Path]) -> tuple[int, int]:
    extents = [read_recording(path).extent for path in paths]
    return max(height for height, _ in extents), max(width for _, width in extents)


def _in_words(sensor: tuple[int, int]) -> str:
    return f"{sensor[1]}x{sensor[0]}"
