"""Where a training step's memory comes from."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

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
