"""The compiled network on this machine: built with the C compiler at hand, loaded, run."""

from __future__ import annotations

import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from s3nn.errors import UsageError
from s3nn.native import build, load
from s3nn.runtime.emit import Source

ALIGNMENT = 64


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
        self._batch = load(self.library)[f"{source.name}_batch"]
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
