"""Packs on the Hugging Face hub: only the files that their manifest lists are fetched."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from s3nn.errors import PackError, UsageError
from s3nn.packs.manifest import MANIFEST, MANIFEST_BYTES, Manifest
from s3nn.packs.members import Folder

SCHEME = "hf://"
INSTALL = "pip install 's3nn[hub]'"
_PLACE = re.compile(
    r"hf://(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w./-]+))?"
)


def fetched(place: str, into: Path) -> Path:
    """Fetch ``hf://owner/name[@revision]`` into a folder, which is then a pack to be checked.

    Raises ``UsageError`` for a place that is none and where huggingface_hub is missing, and
    ``PackError`` for what the hub does not give.
    """
    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError(f"{place!r:.200} is no place on the hub: write hf://owner/name")
    hub = _hub()

    def fetch(name: str) -> None:
        try:
            hub.hf_hub_download(
                repo_id=match["repository"],
                filename=name,
                revision=match["revision"],
                local_dir=str(into),
            )
        except Exception as error:  # its errors, and those of the connection below it
            reason = " ".join(str(error).split())[:200]
            raise PackError(
                f"{place}: {name} cannot be fetched ({type(error).__name__}: {reason})"
            ) from error

    # What the library keeps of its own beside the files is no part of the pack.
    fetch(MANIFEST)
    content = Folder(into).read(MANIFEST, MANIFEST_BYTES)
    for name in Manifest.read(content, f"{place}/{MANIFEST}").files:
        fetch(name)
    clutter = into / ".cache"
    if clutter.is_dir() and not clutter.is_symlink():
        shutil.rmtree(clutter)
    return into


def _hub() -> Any:
    try:
        import huggingface_hub
    except Exception as error:
        raise UsageError(
            f"packs on the hub need the package huggingface_hub ({type(error).__name__}): {INSTALL}"
        ) from error
    return huggingface_hub
