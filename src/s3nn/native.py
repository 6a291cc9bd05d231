"""C that is built on this machine, once: the compiler at hand, and a cache by content."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from s3nn.errors import S3nnError
from s3nn.files import cache_root, nearest, writable

NATIVE = "-march=native"
FLAGS = ("-O3", NATIVE, "-std=c11", "-fPIC", "-shared")
# Of /proc/cpuinfo, what a processor can do: on x86, ARM, s390x, RISC-V and PowerPC.
FEATURES = ("flags", "Features", "features", "isa", "cpu")
COMPILERS = ("cc", "gcc", "clang")


class CompilerError(S3nnError, RuntimeError):
    """There is no C compiler, or it refused what we gave it."""


class Code(Protocol):
    """The texts of NAME.h and NAME.c."""

    @property
    def name(self) -> str: ...

    @property
    def header(self) -> str: ...

    @property
    def body(self) -> str: ...


def find_compiler() -> list[str]:
    """The C compiler: ``$CC``, with flags or through ccache, or the first of cc, gcc and clang."""
    wanted = os.environ.get("CC")
    for command in _meant(wanted) if wanted else ([name] for name in COMPILERS):
        if command and shutil.which(command[0]):
            return command
    tried = f"CC={wanted}" if wanted else ", ".join(COMPILERS)
    raise CompilerError(
        f"no C compiler found (looked for {tried}): install gcc or clang, or name one with CC=..."
    )


def _meant(wanted: str) -> Iterator[list[str]]:
    """What ``$CC`` may mean: a path, be there spaces in it, or the words of a command."""
    yield [wanted]
    with suppress(ValueError):  # of quotes that are not closed
        yield shlex.split(wanted)


def cache_folder() -> Path:
    """Where what was built is kept."""
    return cache_root() / "s3nn" / "compiled"


def check_can_build() -> None:
    """A ``CompilerError`` where ``build`` has no compiler, or no place for what it makes."""
    find_compiler()
    place = nearest(cache_folder())
    if not (place.is_dir() and writable(place)):
        raise _no_place(cache_folder(), f"{place} is not writable")


def _no_place(folder: Path, why: str | None) -> CompilerError:
    return CompilerError(
        f"compiled code is kept in {folder}, where nothing can be written ({why}): name another "
        "folder with XDG_CACHE_HOME=..."
    )


def build(source: Code, flags: tuple[str, ...] = FLAGS) -> Path:
    """The shared library of ``source``, built once: it is kept by the content it was built from."""
    compiler = find_compiler()
    version = _version(compiler)
    content = "\0".join(
        (source.header, source.body, shlex.join(compiler), version, _machine(), *flags)
    )
    digest = hashlib.sha256(content.encode()).hexdigest()
    library = cache_folder() / f"{source.name}-{digest[:32]}.so"
    if _whole(library):
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=library.parent)
    except OSError as error:
        raise _no_place(library.parent, error.strerror) from error
    with beside as folder:
        made = Path(folder) / "library.so"
        _compile(source, Path(folder), made, compiler, flags)
        checksum = _checksum(made)
        made.with_suffix(".sha256").write_text(checksum, encoding="ascii")
        # The checksum last: a library without it, or with another, is built again.
        os.replace(made, library)
        os.replace(made.with_suffix(".sha256"), library.with_suffix(".sha256"))
    return library


def _compile(
    source: Code, folder: Path, out: Path, compiler: list[str], flags: tuple[str, ...]
) -> None:
    """``compile_c``, without ``-march=native`` where that is refused, as on RISC-V and PowerPC."""
    try:
        compile_c(source, folder, out, compiler, flags)
    except CompilerError as refused:
        if NATIVE not in flags:
            raise
        try:
            compile_c(source, folder, out, compiler, tuple(f for f in flags if f != NATIVE))
        except CompilerError:
            raise refused from None


def load(library: Path) -> ctypes.CDLL:
    """What ``build`` made; a ``CompilerError`` where the system does not take it."""
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise CompilerError(
            f"cannot load compiled code ({error}): if its folder is mounted noexec, name another "
            "with XDG_CACHE_HOME=..."
        ) from error


def compile_c(
    source: Code, folder: Path, out: Path, compiler: list[str], flags: tuple[str, ...]
) -> None:
    (folder / f"{source.name}.h").write_text(source.header, encoding="utf-8")
    body = folder / f"{source.name}.c"
    body.write_text(source.body, encoding="utf-8")
    command = [*compiler, *flags, "-o", str(out), str(body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise CompilerError(
            f"{shlex.join(compiler)} failed with exit code {done.returncode}: {said}"
        )


def _version(compiler: list[str]) -> str:
    done = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False)
    return done.stdout


def _machine() -> str:
    """What ``-march=native`` depends on; where the system does not say, the machine by its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = dict.fromkeys(line for line in lines if line.partition(":")[0].strip() in FEATURES)
    return "\n".join(found) or " ".join(os.uname())


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _whole(library: Path) -> bool:
    """Whether a cached library is there as it was written."""
    try:
        return library.with_suffix(".sha256").read_text(encoding="ascii") == _checksum(library)
    except OSError:
        return False
