"""AEDAT 3.1: packets of events, as in DVS128 Gesture.

After the header, which ends with ``#!END-HEADER``, packets follow one another, little-endian.  A
packet has a header of 28 bytes (type and source, 16 bits each; then 32 bits each: size of an event,
offset of its time, overflows of the time, capacity, number of events, number of valid ones) and its
events.  Polarity events have type 1 and eight bytes: 15 bits of x, 15 of y, polarity (1: brighter)
and validity, from the highest bit down; then 31 bits of microseconds, to which the packet's
overflows are the higher bits.
Sources: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html;
README.txt of DVS128 Gesture.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s3nn.data._events import Recording, check_inside, events_of
from s3nn.errors import DataError

END = re.compile(rb"#!END-HEADER\r?\n")
SOURCE = re.compile(rb"#Source (\d+): *([^\r\n]*)")
FORMAT = re.compile(rb"#Format: *([^\r\n]*)")
PACKET = struct.Struct("<hhiiiiii")
POLARITY, EVENT_BYTES, TIME_OFFSET = 1, 8, 4
# (H, W) of the sensors that a header may name, by how their names begin.
SENSORS = {
    "DVS128": (128, 128),
    "DAVIS128": (128, 128),
    "DAVIS240": (180, 240),
    "DAVIS346": (260, 346),
    "DAVIS640": (480, 640),
}


def read_aedat3(data: bytes, path: Path) -> Recording:
    """The valid polarity events of a whole file of version 3.1."""
    end = END.search(data)
    if end is None:
        raise DataError(f"{path} has no line #!END-HEADER: it is cut short, fetch it again")
    header = data[: end.start()]
    kind = FORMAT.search(header)
    if kind is not None and kind[1].strip() != b"RAW":
        raise DataError(
            f"{path} has the format {kind[1].decode('latin-1')}; RAW is read: convert it"
        )
    packets, sources = _polarity_packets(data, end.end(), path)
    if len(sources) > 1:
        raise DataError(
            f"{path} has the events of {len(sources)} sensors ({sorted(sources)}): write a file "
            "for each"
        )
    words = np.concatenate([events[:, 0] for events, _ in packets] or [np.empty(0, np.uint32)])
    times = [events[:, 1].astype(np.int64) + (over << 31) for events, over in packets]
    t = np.concatenate(times or [np.empty(0, np.int64)])
    valid = words & 1 == 1
    words, t = words[valid], t[valid]
    events = events_of(t, words >> 17, words >> 2 & 0x7FFF, words >> 1 & 1, path)
    names = {int(number): name.decode("latin-1").strip() for number, name in SOURCE.findall(header)}
    sensor = _sensor(names.get(next(iter(sources)), ""))
    if sensor is not None:
        check_inside(events, sensor, path)
    return Recording(events, sensor)


def _polarity_packets(
    data: bytes, start: int, path: Path
) -> tuple[list[tuple[NDArray[np.uint32], int]], set[int]]:
    """Words and times (N, 2) of each packet with its overflows of time, and whose they are."""
    packets: list[tuple[NDArray[np.uint32], int]] = []
    sources: set[int] = set()
    while start < len(data):
        if start + PACKET.size > len(data):
            raise _cut_short(path, start)
        kind, source, size, offset, overflow, capacity, number, _ = PACKET.unpack_from(data, start)
        start += PACKET.size
        if size < 1 or overflow < 0 or not 0 <= number <= capacity:
            raise DataError(
                f"{path} has no packet at byte {start - PACKET.size} (event size {size}, number "
                f"{number} of {capacity}): it is damaged, fetch it again"
            )
        if start + size * number > len(data):
            raise _cut_short(path, start)
        if kind == POLARITY:
            if (size, offset) != (EVENT_BYTES, TIME_OFFSET):
                raise DataError(
                    f"{path} has polarity events of {size} bytes with the time at {offset}, "
                    f"expected {EVENT_BYTES} and {TIME_OFFSET}: it is damaged, fetch it again"
                )
            events = np.frombuffer(data, "<u4", 2 * number, start).reshape(-1, 2)
            packets.append((events, overflow))
            sources.add(source)
        start += size * number
    return packets, sources


def _cut_short(path: Path, start: int) -> DataError:
    return DataError(f"{path} ends within the packet at byte {start}: fetch it again")


def _sensor(name: str) -> tuple[int, int] | None:
    return next((size for start, size in SENSORS.items() if name.startswith(start)), None)
