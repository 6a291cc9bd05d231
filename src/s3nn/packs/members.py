"""The files of a pack, from a folder or a zip that may come from anyone.

Nothing is written and nothing is believed: a name is looked up in what is there and never joined
from what a file says, and no more is read than was promised.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO

from s3nn.errors import PackError
from s3nn.packs.manifest import MANIFEST, MANIFEST_BYTES, MOST_FILES, Manifest, check_content

DIRECTORY_BYTES = 2**20  # of a zip's list of files
MOST_COMPRESSED = 200  # times: what we write reaches about 20
_CHUNK = 2**20
_END = struct.Struct("<4s4H2LH")  # the zip's end-of-central-directory record
_COMMENT = 0xFFFF
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,
    OSError,
)


class Members(ABC):
    """The files of a pack by name."""

    where: str

    @abstractmethod
    def names(self) -> set[str]:
        """The files that are there, names with ``/``."""

    @abstractmethod
    def read(self, name: str, most: int) -> bytes:
        """The content of a file that is there; more than ``most`` bytes are a ``PackError``."""

    def manifest(self) -> Manifest:
        if MANIFEST not in self.names():
            raise PackError(f"{self.where} is no pack: it has no {MANIFEST}")
        content = self.read(MANIFEST, MANIFEST_BYTES)
        return Manifest.read(content, f"{self.where}/{MANIFEST}")

    def contents(self, manifest: Manifest) -> dict[str, bytes]:
        """Every file that the manifest lists, held against its size and checksum.

        A file that is missing, or there and not listed, is a ``PackError``.
        """
        names = self.names() - {MANIFEST}
        apart = sorted(names ^ manifest.files.keys())
        if apart:
            what = "is not listed" if apart[0] in names else "is missing"
            raise PackError(f"{self.where}: {apart[0]!r:.120} {what} in {MANIFEST}: get it again")
        found = {}
        for name, file in manifest.files.items():
            found[name] = self.read(name, file.bytes)
            check_content(name, found[name], file, self.where)
        return found


class Folder(Members):
    """A pack as a folder; links and anything that is no plain file are refused."""

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)
        self._names: set[str] | None = None

    def names(self) -> set[str]:
        if self._names is None:
            self._names = set()
            self._walk(self.path, "", self._names)
        return self._names

    def _walk(self, folder: Path, prefix: str, into: set[str]) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                mode = entry.stat(follow_symlinks=False).st_mode
                if len(into) > MOST_FILES or name.count("/") > MOST_FILES:
                    raise PackError(
                        f"{self.where} holds more than {MOST_FILES} files: is it a pack?"
                    )
                if stat.S_ISDIR(mode):
                    self._walk(Path(entry.path), f"{name}/", into)
                elif stat.S_ISREG(mode):
                    into.add(name)
                else:
                    raise PackError(f"{self.where}: {name!r:.120} is a link or no file at all")

    def read(self, name: str, most: int) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(self.path / name, flags), "rb") as file:
            return _read(file, most, f"{self.where}: {name}")


class Zip(Members):
    """A pack as a zip; links, passwords, doubled names and bombs are refused."""

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)
        _check_directory(path)
        try:
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
        except _DAMAGE as error:
            raise PackError(f"{path} is damaged ({error}): get it again") from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            if info.is_dir():
                continue
            self._check(info)
            self._infos[info.filename] = info

    def _check(self, info: zipfile.ZipInfo) -> None:
        name = f"{self.where}: {info.filename!r:.120}"
        mode = info.external_attr >> 16
        if info.filename in self._infos:
            raise PackError(f"{name} is in it twice")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise PackError(f"{name} is a link or no file at all")
        if info.flag_bits & 1:
            raise PackError(f"{name} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PackError(f"{name} is compressed in a way that packs are not")
        if info.file_size > MOST_COMPRESSED * info.compress_size + _CHUNK:
            raise PackError(
                f"{name} grows from {info.compress_size:,} to {info.file_size:,} bytes, more than "
                "anything in a pack does"
            )

    def names(self) -> set[str]:
        return set(self._infos)

    def read(self, name: str, most: int) -> bytes:
        info = self._infos[name]
        if info.file_size > most:
            raise PackError(
                f"{self.where}: {name} has {info.file_size:,} bytes, more than the {most:,} it may"
            )
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(info) as file:
                return _read(file, most, f"{self.where}: {name}")
        except _DAMAGE as error:
            raise PackError(f"{self.where}: {name} is damaged ({error}): get it again") from error


def members(path: Path) -> Members:
    """The files of the pack at ``path``."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise PackError(f"there is no pack at {path} ({error.strerror})") from None
    if stat.S_ISDIR(mode):
        return Folder(path)
    if not stat.S_ISREG(mode):
        raise PackError(f"{path} is neither a folder nor a file")
    return Zip(path)


def _read(file: IO[bytes], most: int, called: str) -> bytes:
    """All of a file, in pieces: what it says of its own size is not believed."""
    pieces: list[bytes] = []
    size = 0
    while piece := file.read(_CHUNK):
        size += len(piece)
        if size > most:
            raise PackError(f"{called} has more than the {most:,} bytes it may")
        pieces.append(piece)
    return b"".join(pieces)


def _check_directory(path: Path) -> None:
    """Refuse a zip whose list of files is longer than a pack's, before it is read into memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - _COMMENT))
        tail = file.read(_END.size + _COMMENT)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        raise PackError(f"{path} is no pack: it is no zip, or its end is missing")
    fields = _END.unpack_from(tail, place)
    entries, length = fields[4], fields[5]
    if entries > 2 * MOST_FILES or length > DIRECTORY_BYTES:
        raise PackError(f"{path} lists {entries} files in {length:,} bytes: it is no pack")
