"""AEDAT files: the header that all versions share.

Header lines start with ``#`` and end with a line break; the first is ``#!AER-DATx.y``.
Source: https://docs.inivation.com/software/software-advanced-usage/file-formats/index.html.
"""

from __future__ import annotations

from pathlib import Path

from s3nn.data._aedat2 import read_aedat2
from s3nn.data._aedat3 import read_aedat3
from s3nn.data._events import Recording, read_bytes
from s3nn.errors import DataError

READERS = {"2.0": read_aedat2, "3.1": read_aedat3}


def read_aedat(path: Path) -> Recording:
    """The polarity events of an ``.aedat`` file, version 2.0 (DVS128) or 3.1."""
    data = read_bytes(path)
    first = data[:64].partition(b"\n")[0].rstrip(b"\r")
    if not first.startswith(b"#!AER-DAT"):
        raise DataError(
            f"{path} does not begin with #!AER-DAT and a version: it is no AEDAT file, or one of "
            "version 1.0, which has no header"
        )
    version = first.removeprefix(b"#!AER-DAT").decode("ascii", "replace").strip()
    if version not in READERS:
        raise DataError(
            f"{path} is AEDAT {version}; versions {' and '.join(READERS)} are read: convert it "
            "(DV and jAER write them)"
        )
    return READERS[version](data, path)
