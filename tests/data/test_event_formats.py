"""Readers of recordings against bytes written by hand from the formats' definitions."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from s3nn.data._aedat import read_aedat
from s3nn.data._atis import read_atis
from s3nn.data._events import check_inside
from s3nn.errors import DataError

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 0: DVS128\r\n#!END-HEADER\r\n"
HEADER2 = b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# AEChip: ch.unizh.ini.DVS128\r\n"


def rows(recording) -> list[tuple[int, int, int, int]]:
    return [tuple(map(int, event)) for event in recording.events[["t", "x", "y", "p"]]]


def packet(number: int, payload: bytes, **changes: int) -> bytes:
    fields = {"kind": 1, "source": 0, "size": 8, "offset": 4, "overflow": 0, "capacity": number}
    fields |= {"number": number, "valid": number} | changes
    return struct.pack("<hhiiiiii", *fields.values()) + payload


def test_five_bytes_an_event(tmp_path: Path) -> None:
    path = tmp_path / "00001.bin"
    path.write_bytes(bytes.fromhex("0305812345 211f012346 0000ffffff"))
    assert rows(read_atis(path)) == [
        (0x012345, 3, 5, 1),
        (0x012346, 33, 31, 0),
        (0x7FFFFF, 0, 0, 1),
    ]
    assert read_atis(path).extent == (32, 34)


def test_an_overflow_moves_all_later_times(tmp_path: Path) -> None:
    path = tmp_path / "00001.bin"
    path.write_bytes(bytes.fromhex("0101001fff 00f0000000 0202000000 00f0000000 0303000001"))
    assert [t for t, *_ in rows(read_atis(path))] == [0x1FFF, 0x2000, 0x4001]


def test_a_bin_file_that_is_none_says_why(tmp_path: Path) -> None:
    path = tmp_path / "7.bin"
    for data, says in (
        (bytes(7), r"7\.bin has 7 bytes, not a multiple of the 5"),
        (b"", r"7\.bin has no events"),
        (bytes.fromhex("00f0000000"), "has no events"),
        (
            bytes.fromhex("0101000010 0101000005"),
            "goes back in time at event 1, from 16 to 5 microseconds",
        ),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=says):
            read_atis(path)
    with pytest.raises(DataError, match=r"cannot read .*none\.bin"):
        read_atis(tmp_path / "none.bin")


def test_an_event_outside_of_the_sensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "1.bin"
    path.write_bytes(bytes.fromhex("0101000000 2201000001"))
    with pytest.raises(DataError, match=r"34x34 pixels: event 1 is at x=34, y=1"):
        check_inside(read_atis(path).events, (34, 34), path)
    check_inside(read_atis(path).events, (34, 35), path)


def test_aedat3_packets(tmp_path: Path) -> None:
    path = tmp_path / "user.aedat"
    # x=5, y=6, p=1, valid; the highest pixel, p=0, valid; an event that is not valid.
    first = struct.pack("<IIII", 5 << 17 | 6 << 2 | 0b11, 1000, 127 << 17 | 127 << 2 | 1, 1001)
    second = struct.pack("<IIII", 0, 5, 1 << 17 | 2 << 2 | 0b11, 7)
    special = packet(1, bytes(12), kind=0, size=12)
    path.write_bytes(HEADER + packet(2, first) + special + packet(2, second, overflow=1))
    recording = read_aedat(path)
    assert recording.sensor == (128, 128)
    assert rows(recording) == [(1000, 5, 6, 1), (1001, 127, 127, 0), (2**31 + 7, 1, 2, 1)]


def test_aedat3_takes_the_number_of_events_not_the_capacity(tmp_path: Path) -> None:
    path = tmp_path / "user.aedat"
    one = struct.pack("<II", 1, 10)
    path.write_bytes(HEADER + packet(1, one, capacity=9) + packet(1, one))
    assert [t for t, *_ in rows(read_aedat(path))] == [10, 10]


def test_an_event_may_begin_with_the_sign_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "user.aedat"
    path.write_bytes(HEADER + packet(0, b"", source=ord("#")) + packet(1, struct.pack("<II", 1, 3)))
    with pytest.raises(DataError, match="the events of 2 sensors"):
        read_aedat(path)
    path.write_bytes(HEADER + packet(1, struct.pack("<II", ord("#") | 1, 3)))
    assert rows(read_aedat(path)) == [(3, 0, 8, 1)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x03\x05\x81\x23\x45", "does not begin with #!AER-DAT"),
        (b"", "does not begin with #!AER-DAT"),
        (b"#!AER-DAT4.0\r\n", "is AEDAT 4.0; versions 2.0 and 3.1 are read"),
        (HEADER[:20], "has no line #!END-HEADER"),
        (HEADER.replace(b"RAW", b"PNG"), "has the format PNG; RAW is read"),
        (HEADER, "has no events"),
        (HEADER + packet(1, bytes(8)), "has no events"),  # its only event is not valid
        (HEADER + packet(2, bytes(8)), "ends within the packet"),
        (HEADER + bytes(27), "ends within the packet"),
        (HEADER + packet(3, bytes(24), capacity=2), r"has no packet at byte .*number 3 of 2\)"),
        (HEADER + packet(1, bytes(12), size=12), "polarity events of 12 bytes with the time at 4"),
        (HEADER + packet(1, struct.pack("<II", 128 << 17 | 1, 0)), "128x128 pixels: event 0 is at"),
        (HEADER + packet(2, struct.pack("<IIII", 1, 9, 1, 8)), "goes back in time at event 1"),
    ],
)
def test_an_aedat_file_that_is_none_says_why(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "user.aedat"
    path.write_bytes(data)
    with pytest.raises(DataError, match=says):
        read_aedat(path)


def test_aedat2_of_a_dvs128(tmp_path: Path) -> None:
    """Rows from below, columns from the right, polarity 0 where it became brighter (jAER)."""
    path = tmp_path / "old.aedat"
    pairs = [(0, 1), (127 << 8 | 0 << 1 | 1, 2), (1 << 15, 3), (3 << 8 | 10 << 1, 4)]
    path.write_bytes(HEADER2 + b"".join(struct.pack(">Ii", *pair) for pair in pairs))
    assert rows(read_aedat(path)) == [(1, 127, 127, 1), (2, 127, 0, 0), (4, 117, 124, 1)]
    assert read_aedat(path).sensor == (128, 128)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (HEADER2 + bytes(7), "has 7 bytes of events, not a multiple of the 8"),
        (HEADER2.replace(b"ini.DVS128", b"davis.Davis640"), "with the chip ch.unizh.davis.Davis64"),
        (HEADER2 + struct.pack(">II", 1 << 20, 0), r"has the address 0x100000 \(event 0\)"),
        (HEADER2, "has no events"),
        (HEADER2 + struct.pack(">IIII", 0, 9, 0, 8), "goes back in time at event 1"),
    ],
)
def test_an_aedat2_file_that_is_no_dvs128s_says_why(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "old.aedat"
    path.write_bytes(data)
    with pytest.raises(DataError, match=says):
        read_aedat(path)
