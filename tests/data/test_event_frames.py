"""Frames against a loop over events."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3nn.data._event_frames import Framing
from s3nn.data._events import events_of
from s3nn.errors import UsageError

SENSOR = (3, 4)
EVENT_LISTS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)),
    min_size=1,
    max_size=40,
)


def recording(events: list[tuple[int, int, int, int]]):
    t, x, y, p = zip(*sorted(events), strict=True)
    return events_of(t, x, y, p, Path("made.bin"))


def by_hand(events, frames: int, by: str) -> np.ndarray:
    """One event at a time, with fractions."""
    counts = np.zeros((2 * frames, *SENSOR), dtype=np.int64)
    times = [int(event["t"]) for event in events]
    for i, event in enumerate(events):
        whole = times[-1] - times[0] + 1 if by == "time" else len(events)
        done = times[i] - times[0] if by == "time" else i
        frame = floor(Fraction(done, whole) * frames)
        counts[2 * frame + int(event["p"]), event["y"], event["x"]] += 1
    return counts


@given(EVENT_LISTS, st.integers(1, 12), st.sampled_from(["time", "count"]))
def test_every_event_is_in_one_frame(events, frames: int, by: str) -> None:
    made = recording(events)
    framing = Framing(frames, by)
    numbers = framing.numbers(made)
    assert ((numbers >= 0) & (numbers < frames)).all()
    assert (np.diff(numbers) >= 0).all()
    counts = framing.counts(made, SENSOR)
    assert counts.sum() == len(events)
    assert np.array_equal(counts, by_hand(made, frames, by))
    assert np.array_equal(framing.image(made, SENSOR), counts)


@given(EVENT_LISTS, st.integers(1, 12))
def test_by_count_the_frames_have_equally_many(events, frames: int) -> None:
    counts = Framing(frames, "count").counts(recording(events), SENSOR)
    a_frame = counts.reshape(frames, -1).sum(1)
    assert a_frame.max() - a_frame.min() <= 1


@given(EVENT_LISTS, st.integers(1, 12))
def test_by_time_the_frames_last_equally_long(events, frames: int) -> None:
    made = recording(events)
    numbers = Framing(frames, "time").numbers(made)
    first, whole = int(made["t"][0]), int(made["t"][-1] - made["t"][0]) + 1
    for t, number in zip(made["t"].tolist(), numbers.tolist(), strict=True):
        assert (
            Fraction(whole * number, frames) <= t - first < Fraction(whole * (number + 1), frames)
        )


def test_counts_are_cut_at_a_byte_or_below() -> None:
    made = recording([(0, 1, 2, 1)] * 300 + [(0, 0, 0, 0)] * 2)
    assert Framing(1).image(made, SENSOR)[1, 2, 1] == 255
    clipped = Framing(1, clip=1).image(made, SENSOR)
    assert clipped.dtype == np.uint8
    assert (clipped.max(), clipped.sum()) == (1, 2)


def test_long_recordings_do_not_overflow() -> None:
    t = np.array([0, 1 << 50, (1 << 51) - 1])
    made = events_of(t, [0] * 3, [0] * 3, [0] * 3, Path("long.aedat"))
    assert Framing(1000, "time").numbers(made).tolist() == [0, 500, 999]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"frames": 0}, "frames=0: a recording is cut into one frame or more"),
        ({"by": "events"}, "frames_by='events' is no way to cut a recording: choose time or count"),
        ({"clip": 0}, "frames_clip=0"),
        ({"clip": 256}, r"frames_clip=256: counts are cut to something in 1\.\.255"),
    ],
)
def test_a_framing_that_cannot_be_says_why(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Framing(**options)
