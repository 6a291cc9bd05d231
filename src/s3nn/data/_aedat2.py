"""AEDAT 2.0 of a DVS128: pairs of address and time.

Big-endian, four bytes each: the address, then microseconds (signed).  Address bits of a DVS128:
15 an external event, 14-8 the row from below, 7-1 the column from the right, 0 the polarity, 0
where it became brighter.
Sources: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-2.0.html;
for where the columns start and which polarity is which, the extractor of SensorsINI/jaer
(``DVS128.java``), with which libcaer agrees.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from s3nn.data._events import Recording, events_of
from s3nn.errors import DataError

RECORD = 8
SIDE = 128
CHIPS = ("DVS128", "Tmpdiff128")


def read_aedat2(data: bytes, path: Path) -> Recording:
    """The events of a whole file of version 2.0."""
    start, chip = _header(data)
    if chip is not None and not chip.endswith(CHIPS):
        raise DataError(
            f"{path} was recorded with the chip {chip}; of AEDAT 2.0, files of a DVS128 are read: "
            "convert it to AEDAT 3.1 (jAER and DV do)"
        )
    if (len(data) - start) % RECORD:
        raise DataError(
            f"{path} has {len(data) - start} bytes of events, not a multiple of the {RECORD} of "
            "one: it is cut short, fetch it again"
        )
    pairs = np.frombuffer(data, ">u4", offset=start).reshape(-1, 2)
    address, t = pairs[:, 0], pairs[:, 1].astype(np.int32)
    wide = np.flatnonzero(address >= 1 << 16)
    if wide.size:
        raise DataError(
            f"{path} has the address {address[wide[0]]:#x} (event {wide[0]}), which no DVS128 has: "
            "it was recorded with another sensor"
        )
    kept = address < 1 << 15
    address = address[kept]
    x, y = SIDE - 1 - (address >> 1 & 127), SIDE - 1 - (address >> 8 & 127)
    return Recording(events_of(t[kept], x, y, 1 - (address & 1), path), (SIDE, SIDE))


def _header(data: bytes) -> tuple[int, str | None]:
    """Where the events start, and the chip that the header names."""
    start, chip = 0, None
    while data[start : start + 1] == b"#":
        end = data.find(b"\n", start)
        line = data[start : end if end >= 0 else len(data)].decode("latin-1").strip("# \r\n")
        key, _, value = line.partition(":")
        if key == "AEChip":
            chip = value.strip()
        start = end + 1 if end >= 0 else len(data)
    return start, chip
