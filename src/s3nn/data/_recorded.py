"""What data sets of recorded events have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from s3nn.data._aedat import read_aedat
from s3nn.data._atis import read_atis
from s3nn.data._event_frames import Framing
from s3nn.data._events import Events, Recording, check_inside
from s3nn.data.base import Places, Source, Split
from s3nn.errors import DataError

READERS = {".bin": read_atis, ".aedat": read_aedat}


class Recorded(Source):
    """A data set of events: a recording becomes an image whose channels are its frames.

    T frames of two polarities are 2 T channels, channel 2 f + p being polarity p (1: brighter) of
    frame f, as the encoder ``frames`` takes them.
    """

    sensor: tuple[int, int]  # (H, W)

    def __init__(self, framing: Framing | None = None) -> None:
        self.framing = framing or Framing()

    def see(self, sensor: tuple[int, int]) -> None:
        """The sensor is known: so is the shape of an image."""
        self.sensor, self.shape = sensor, (2 * self.framing.frames, *sensor)

    def framed(self, samples: Iterable[tuple[Events, Path]], labels: list[int]) -> Split:
        """The split of ``samples``, as many as ``labels``: events and the file they are from."""
        images = torch.empty((len(labels), *self.shape), dtype=torch.uint8)
        for image, (events, path) in zip(images, samples, strict=True):
            check_inside(events, self.sensor, path)
            image.copy_(torch.from_numpy(self.framing.image(events, self.sensor)))
        return Split(images, torch.tensor(labels, dtype=torch.int64))


def read_recording(path: Path) -> Recording:
    """The events of a file, by the format that its name says."""
    return READERS[path.suffix.lower()](path)


def original_folder(source: Source, places: Places, wanted: str) -> Path:
    """The user's folder of original files; ``wanted`` says which, and where they are published."""
    if places.folder is None:
        raise DataError(
            f"{source.name} is not downloaded for you: pass --data.folder with its original files "
            f"({wanted})"
        )
    return places.folder
