"""The compiled network on this machine: built with the C compiler at hand, loaded, run."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s3nn.errors import S3nnError, UsageError
from s3nn.runtime.emit import Source

FLAGS = ("-O3", "-march=native", "-std=c11", "-fPIC", "-shared")
COMPILERS = ("cc", "gcc", "clang")
ALIGNMENT = 64


class CompilerError(S3nnError, RuntimeError):
    """There is no C compiler, or it refused what we gave it."""


def find_compiler() -> str:
    """The C compiler: ``$CC``, or the first of cc, gcc and clang that there is."""
    wanted = os.environ.get("CC")
    for name in (wanted,) if wanted else COMPILERS:
        if shutil.which(name):
            return name
    tried = f"CC={wanted}" if wanted else ", ".join(COMPILERS)
    raise CompilerError(
        f"no C compiler found (looked for {tried}): install gcc or clang, or name one with CC=..."
    )


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "s3nn" / "compiled"


def build(source: Source, flags: tuple[str, ...] = FLAGS) -> Path:
    """The shared library of ``source``, built once: it is kept by the content it was built from."""
    compiler = find_compiler()
    version = _version(compiler)
    content = "\0".join((source.header, source.body, compiler, version, _machine(), *flags))
    digest = hashlib.sha256(content.encode()).hexdigest()
    library = cache_folder() / f"{source.name}-{digest[:32]}.so"
    if _whole(library):
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / "library.so"
        compile_c(source, Path(folder), made, compiler, flags)
        checksum = _checksum(made)
        made.with_suffix(".sha256").write_text(checksum, encoding="ascii")
        # The checksum last: a library without it, or with another, is built again.
        os.replace(made, library)
        os.replace(made.with_suffix(".sha256"), library.with_suffix(".sha256"))
    return library


def compile_c(
    source: Source, folder: Path, out: Path, compiler: str, flags: tuple[str, ...]
) -> None:
    (folder / f"{source.name}.h").write_text(source.header, encoding="utf-8")
    body = folder / f"{source.name}.c"
    body.write_text(source.body, encoding="utf-8")
    command = [compiler, *flags, "-o", str(out), str(body)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise CompilerError(f"{compiler} failed with exit code {done.returncode}: {said}")


def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
    return done.stdout


def _machine() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return " ".join(os.uname())
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _whole(library: Path) -> bool:
    """Whether a cached library is there as it was written."""
    try:
        return library.with_suffix(".sha256").read_text(encoding="ascii") == _checksum(library)
    except OSError:
        return False


class Program:
    """A compiled network: ``program(images)`` gives integer logits.

    Images are raw, uint8, (N, C, H, W); logits int32, (N, classes).  A batch is shared among
    ``threads``; the interpreter is free while they run.  A logit counts ``step``, so that
    ``step * program(images)`` stands for the logits of the network of real numbers.
    """

    def __init__(
        self,
        source: Source,
        image_shape: tuple[int, int, int],
        classes: int,
        threads: int = 1,
        step: float = 1.0,
    ) -> None:
        if threads < 1:
            raise UsageError(f"a program runs on 1 thread or more, got {threads}")
        self.source, self.image_shape, self.classes = source, image_shape, classes
        self.threads, self.step = threads, step
        self.library = build(source)
        self._batch = ctypes.CDLL(str(self.library))[f"{source.name}_batch"]
        self._batch.restype = None
        self._batch.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.int32]:
        x = self._checked(images)
        logits = np.empty((len(x), self.classes), np.int32)
        if self._pool is None or len(x) < 2:
            self._run(x, logits)
            return logits
        ends = np.linspace(0, len(x), min(self.threads, len(x)) + 1).astype(int)
        parts = [slice(a, b) for a, b in pairwise(ends)]
        list(self._pool.map(lambda part: self._run(x[part], logits[part]), parts))
        return logits

    def _run(self, x: NDArray[np.uint8], logits: NDArray[np.int32]) -> None:
        self._batch(x.ctypes.data, len(x), logits.ctypes.data, self._arena())

    def _arena(self) -> int:
        """This thread's working memory, aligned."""
        if not hasattr(self._own, "address"):
            memory = np.zeros(self.source.arena_bytes + ALIGNMENT, np.uint8)
            self._own.memory = memory
            self._own.address = -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        address: int = self._own.address
        return address

    def _checked(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        x = np.asarray(images)
        if x.dtype != np.uint8 or x.shape[1:] != self.image_shape:
            size = "x".join(map(str, self.image_shape))
            raise UsageError(
                f"this program takes images (N, {size}) of dtype uint8, got {x.shape} of "
                f"{x.dtype}: give raw pixels, 0 to 255"
            )
        return np.ascontiguousarray(x)
