"""Writing files so that nothing is ever half there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_ISDIR
from typing import IO

from s3nn.errors import UsageError


def check_file_place(path: Path) -> None:
    """A ``UsageError`` where no file can be, since it is a folder or its parent none."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder and no file: choose another place")
    check_folder_place(path.parent)


def check_folder_place(path: Path) -> None:
    """A ``UsageError`` where no folder can be: a file is in the way, or nothing can be written."""
    for link in (path, *path.parents):
        if os.path.islink(link) and not os.path.exists(link):
            raise UsageError(
                f"{link} is a link to {os.readlink(link)}, which is not there: make that folder, "
                "or choose another place (--out)"
            )
    place = nearest(path)
    if not place.is_dir():
        raise UsageError(f"{place} is a file and no folder: choose another place")
    if not writable(place):
        raise UsageError(f"nothing can be written in {place}: choose another place (--out)")


def nearest(path: Path) -> Path:
    """``path``, or the first of its parents that is there."""
    return next(p for p in (path, *path.parents) if os.path.exists(p) or p == Path(p.anchor))


def writable(folder: Path) -> bool:
    """Whether files may be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def cache_root() -> Path:
    """Where caches are kept: ``$XDG_CACHE_HOME``, ``~/.cache``, or a private temporary folder.

    The last is for a user who has no home, as in a container with a user id of its own.
    """
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return _private_folder(Path(tempfile.gettempdir()) / f"s3nn-{os.getuid()}")


def _private_folder(path: Path) -> Path:
    """A folder that only this user can read and write: code is loaded from it."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not (S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077):
        raise UsageError(
            f"there is no home directory, and {path}, for a cache in its place, is not this "
            "user's alone: name a folder with XDG_CACHE_HOME=..."
        )
    return path


@cache
def _umask() -> int:
    """The permissions that this process gives to nobody; it can be read by setting it only."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place when the block ends well.

    On any error, a full disk too, the temporary file goes and ``path`` stays what it was.
    """
    check_file_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when the block ends well, and goes with all in it otherwise.

    An empty ``out`` is filled and stays the folder that it is: somebody's working directory, what a
    link leads to, a mounted disk.
    """
    check_folder_place(out)
    filled = out.is_dir()
    if filled and any(out.iterdir()):
        raise UsageError(f"{out} is there and not empty: choose another place")
    where = out if filled else out.resolve().parent
    where.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=where, prefix=f".{out.resolve().name}."))
    try:
        yield made
        if filled:
            _move_up(made)
        else:
            made.chmod(0o777 & ~_umask())
            os.replace(made, out.resolve())
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _move_up(made: Path) -> None:
    """Move what is in a folder to the folder around it; on an error nothing stays there."""
    moved: list[Path] = []
    try:
        for each in sorted(made.iterdir()):
            moved.append(made.parent / each.name)
            os.rename(each, moved[-1])
        made.rmdir()
    except BaseException:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def beside(path: Path, suffix: str) -> Path:
    """The path of the same name with a suffix, for ``.`` and ``..`` too.

    >>> beside(Path("runs/a"), "-teacher").as_posix()
    'runs/a-teacher'
    """
    named = path if path.name not in ("", "..") else path.resolve()
    return named.with_name(named.name + suffix)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a whole file or nothing."""
    with replacing(path) as file:
        file.write(content)
    return path


def write_text(path: Path, content: str) -> Path:
    """Write a whole UTF-8 file or nothing."""
    return write_bytes(path, content.encode())


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write several UTF-8 files into ``folder``; where one cannot be made, none is replaced."""
    with ExitStack() as stack:
        for name, text in texts.items():
            stack.enter_context(replacing(folder / name)).write(text.encode())
    return [folder / name for name in texts]
