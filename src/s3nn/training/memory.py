"""Where a training step's memory comes from, and how much it was."""

from __future__ import annotations

import ctypes
import resource
import sys

import torch

__all__ = ["keep_freed_memory", "peak_memory_bytes"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MOST = 32 << 20  # the largest threshold that glibc takes


def keep_freed_memory() -> bool:
    """Tell the C library to keep what a step frees for the next one; whether it could be told.

    A training step allocates and frees activations of some megabytes each.  glibc asks the kernel
    for each of them anew, and the kernel hands out zeroed pages one fault at a time: a fifth of the
    step of a small network on a CPU.  Kept, the same pages go round.  Does nothing, and says so,
    where the C library is another one.  Source: ``man mallopt``.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_THRESHOLD, _MOST), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _MOST))
    told = [mallopt(name, value) == 1 for name, value in settings]
    return all(told)


def peak_memory_bytes() -> int:
    """The most memory held so far: of the GPU where it is used, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
