"""pack.json: which files a pack holds, how large each is, and its checksum."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from s3nn.decode import decode, encode, parse_json
from s3nn.errors import PackError

MANIFEST = "pack.json"
FORMAT, VERSION = "s3nn-pack", 1

MEBIBYTE = 2**20
MOST_FILES = 200
MANIFEST_BYTES = MEBIBYTE
# The most bytes of one file.  A pack has no others but in folders, and there OTHER_BYTES.
MOST_BYTES = {
    "run.json": MEBIBYTE,
    "result.json": 64 * MEBIBYTE,
    "comparison.json": 64 * MEBIBYTE,
    "counts.json": 16 * MEBIBYTE,
    "metrics.jsonl": 16 * MEBIBYTE,
    "conversion.json": MEBIBYTE,
    "README.md": MEBIBYTE,
    "golden.safetensors": 256 * MEBIBYTE,
    "model.safetensors": 4096 * MEBIBYTE,
}
OTHER_BYTES = 1024 * MEBIBYTE
NEEDED = ("README.md", "golden.safetensors", "model.safetensors", "result.json", "run.json")

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_DEEPEST = 4
# Names that Windows takes for devices.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """One file of a pack."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What pack.json says."""

    format: str
    version: int
    s3nn: str
    files: dict[str, File]

    def text(self) -> str:
        return json.dumps(encode(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def of(cls, contents: Mapping[str, bytes], s3nn: str) -> Manifest:
        """The manifest of files by their names; what no pack may hold is a ``PackError``."""
        files = {
            name: File(len(content), hashlib.sha256(content).hexdigest())
            for name, content in sorted(contents.items())
        }
        return cls(FORMAT, VERSION, s3nn, files).checked(MANIFEST)

    @classmethod
    def read(cls, content: bytes, where: str) -> Manifest:
        """The manifest that ``content`` is, checked; anything else is a ``PackError``."""
        tree = parse_json(content, where, MANIFEST_BYTES)
        if not isinstance(tree, dict) or tree.get("format") != FORMAT:
            raise PackError(f"{where} is no manifest of an s3nn pack")
        if tree.get("version") != VERSION:
            raise PackError(
                f"{where} is of version {tree.get('version')!r:.20} and this s3nn reads {VERSION}: "
                "install the s3nn that wrote it"
            )
        found: Manifest = decode(cls, tree, where)
        return found.checked(where)

    def checked(self, where: str) -> Manifest:
        if len(self.files) > MOST_FILES:
            raise PackError(f"{where} lists {len(self.files)} files, more than {MOST_FILES}")
        missing = [name for name in NEEDED if name not in self.files]
        if missing:
            raise PackError(f"{where} lists no {', '.join(missing)}: it is no whole pack")
        for name, file in self.files.items():
            check_name(name, where)
            most = MOST_BYTES.get(name, OTHER_BYTES)
            if not 0 <= file.bytes <= most:
                raise PackError(
                    f"{where} says that {name} has {file.bytes:,} bytes, more than the {most:,} "
                    "it may"
                )
            if not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
                raise PackError(f"{where} has no SHA-256 for {name}")
        if len({name.lower() for name in self.files}) < len(self.files):
            raise PackError(f"{where} lists names that differ in case only")
        return self


def check_name(name: str, where: str) -> None:
    """A ``PackError`` for a name that could lead out of the pack's folder, or is no plain one."""
    parts = name.split("/")
    plain = all(_PART.fullmatch(part) and not _DEVICES.fullmatch(part) for part in parts)
    known = len(parts) > 1 or name in MOST_BYTES
    if not plain or not known or len(parts) > _DEEPEST:
        raise PackError(f"{where} lists the file {name!r:.120}, which is no name for a pack's file")


def check_content(name: str, content: bytes, file: File, where: str) -> None:
    """A ``PackError`` unless ``content`` is what the manifest says."""
    if len(content) != file.bytes:
        raise PackError(
            f"{where}: {name} has {len(content):,} bytes, the manifest says {file.bytes:,}: "
            "get the pack again"
        )
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise PackError(
            f"{where}: {name} is not what was packed, its SHA-256 differs: get it again"
        )
