"""The binary format of N-MNIST and N-Caltech101, recorded with an ATIS sensor.

An event is five bytes: x, y, then big-endian one bit of polarity (1: brighter) and 23 bits of time
in microseconds.  A record with y = 240 is no event: the sensor's counter has overflowed, and all
times from there on are 2^13 microseconds later.
Source: Orchard, Jayawant, Cohen, Thakor, "Converting static image datasets to spiking neuromorphic
datasets using saccades", Front. Neurosci. 9 (2015) 437; the authors' reader, gorchard/event-Python.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from s3nn.data._events import Recording, events_of, read_bytes
from s3nn.errors import DataError

RECORD = 5
OVERFLOW_Y, OVERFLOW_US = 240, 1 << 13


def read_atis(path: Path) -> Recording:
    """The events of a ``.bin`` file, which does not say how large its sensor is."""
    data = read_bytes(path)
    if len(data) % RECORD:
        raise DataError(
            f"{path} has {len(data)} bytes, not a multiple of the {RECORD} of one event: it is cut "
            "short or in another format, fetch it again"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD).astype(np.int64)
    x, y, high, middle, low = records.T
    overflow = y == OVERFLOW_Y
    t = ((high & 127) << 16) + (middle << 8) + low + OVERFLOW_US * np.cumsum(overflow)
    kept = ~overflow
    return Recording(events_of(t[kept], x[kept], y[kept], high[kept] >> 7, path))
