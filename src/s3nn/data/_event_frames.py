"""From events to frames: counts of each polarity in each pixel, in equal parts of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from s3nn.data._events import Events
from s3nn.errors import UsageError

Parts = Literal["time", "count"]
MOST = 255  # that a byte holds


@dataclass(frozen=True)
class Framing:
    """How N events become T frames; event i has time t[i], i = 0..N-1 in the order of time.

    by time::

        frame of event i = floor((t[i] - t[0]) T / (t[N-1] - t[0] + 1))

    so that frames last equally long, and by count::

        frame of event i = floor(i T / N)

    so that they have equally many events, to within one.  Integers throughout: every event is in
    one frame, the same on every machine.

    Fields
    ------
    frames: T.
    by: "time" or "count".
    clip: counts above it are cut to it; 255 is the most that a pixel of an image holds.

    Sources: Fang et al., "Incorporating learnable membrane time constant to enhance learning of
    spiking neural networks", ICCV 2021 (by count); Wu et al., "Direct training for spiking neural
    networks: faster, larger, better", AAAI 2019 (by time).
    """

    frames: int = 10
    by: str = "time"
    clip: int = MOST

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise UsageError(f"frames={self.frames}: a recording is cut into one frame or more")
        if self.by not in get_args(Parts):
            raise UsageError(
                f"frames_by={self.by!r} is no way to cut a recording: choose "
                f"{' or '.join(get_args(Parts))}"
            )
        if not 1 <= self.clip <= MOST:
            raise UsageError(f"frames_clip={self.clip}: counts are cut to something in 1..{MOST}")

    def numbers(self, events: Events) -> NDArray[np.int64]:
        """The frame of each of ``events`` (N,), in the order of time: int64 (N,) in 0..T-1."""
        if self.by == "count":
            return np.arange(len(events)) * self.frames // len(events)
        since = events["t"] - events["t"][0]
        numbers: NDArray[np.int64] = since * self.frames // (since[-1] + 1)
        return numbers

    def counts(self, events: Events, sensor: tuple[int, int]) -> NDArray[np.int64]:
        """How many events, int64 (2 T, H, W); channel 2 f + p is polarity p of frame f."""
        height, width = sensor
        channel = 2 * self.numbers(events) + events["p"]
        places = (channel * height + events["y"]) * width + events["x"]
        counts = np.bincount(places, minlength=2 * self.frames * height * width)
        return counts.reshape(-1, height, width)

    def image(self, events: Events, sensor: tuple[int, int]) -> NDArray[np.uint8]:
        """``counts``, at most ``clip`` each, as uint8."""
        return np.minimum(self.counts(events, sensor), self.clip).astype(np.uint8)
