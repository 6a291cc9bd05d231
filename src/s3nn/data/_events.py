"""Events as arrays: what every reader of recordings returns, and the checks that all make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s3nn.errors import DataError

# Time in microseconds; column, row (0, 0 at the upper left); polarity, 1 where it became brighter.
EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")])

Events = NDArray[np.void]


@dataclass(frozen=True, eq=False)
class Recording:
    """The events of one file, in the order of time, and the (H, W) of the sensor if it says so."""

    events: Events
    sensor: tuple[int, int] | None = None

    @property
    def extent(self) -> tuple[int, int]:
        """(H, W): the sensor's, or where it is unknown the smallest that holds all events."""
        if self.sensor is not None:
            return self.sensor
        return int(self.events["y"].max()) + 1, int(self.events["x"].max()) + 1


def events_of(t: ArrayLike, x: ArrayLike, y: ArrayLike, p: ArrayLike, path: Path) -> Events:
    """A structured array (N,) of EVENT; ``DataError`` if it is empty or goes back in time."""
    times = np.asarray(t, dtype=np.int64)
    if times.size == 0:
        raise DataError(f"{path} has no events: it was cut short, or nothing was recorded")
    back = np.flatnonzero(np.diff(times) < 0)
    if back.size:
        i = int(back[0]) + 1
        raise DataError(
            f"{path} goes back in time at event {i}, from {times[i - 1]} to {times[i]} "
            "microseconds: it is damaged or in another format, fetch it again or sort its events"
        )
    events = np.empty(times.shape, dtype=EVENT)
    events["t"], events["x"], events["y"], events["p"] = times, x, y, p
    return events


def check_inside(events: Events, sensor: tuple[int, int], path: Path) -> None:
    """``DataError`` for an event outside of a sensor of (H, W) pixels."""
    height, width = sensor
    outside = np.flatnonzero((events["x"] >= width) | (events["y"] >= height))
    if outside.size:
        i = int(outside[0])
        raise DataError(
            f"{path} has an event outside of the sensor of {width}x{height} pixels: event {i} is "
            f"at x={events['x'][i]}, y={events['y'][i]}; it was recorded with another sensor"
        )


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error}): fetch it again") from error
