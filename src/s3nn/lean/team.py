"""The C kernels of this room, on the threads that torch computes on.

torch's OpenMP threads wait for their next work by spinning: others beside them would share their
cores.  Where torch has GNU's OpenMP its own team runs the kernels, elsewhere a pool of threads.
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources

import torch

from s3nn.native import FLAGS, build, load

# What lets a compiler turn a choice of two numbers into a vector's: no number is a NaN.
CHOICES = ("-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros")


class _Team(ctypes.Structure):
    """A job and who works on it, as in team.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("part", "job", "number", "numbers")]


@dataclass(frozen=True)
class _Code:
    name: str
    header: str
    body: str


@cache
def kernels(name: str) -> ctypes.CDLL:
    """kernels/NAME.c, compiled; ``CompilerError`` where there is no C compiler."""
    text = resources.files("s3nn.lean").joinpath(f"kernels/{name}.c").read_text("utf-8")
    return load(build(_Code(name, "", text), FLAGS + CHOICES))


@cache
def _openmp() -> ctypes.CDLL | None:
    """GNU's OpenMP where torch has loaded it."""
    here = ctypes.CDLL(None)
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    return here if all(hasattr(here, name) for name in names) else None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="s3nn-lean")


def run(name: str, job: ctypes.Structure) -> None:
    """Do ``job`` by kernels/NAME.c, in as many parts as ``torch.get_num_threads()``."""
    part, pointer = kernels(name).s3nn_part, ctypes.byref(job)
    threads, openmp = torch.get_num_threads(), _openmp()
    if threads == 1:
        part(pointer, 0, 1)
    elif openmp is not None:
        functions = part, openmp.omp_get_thread_num, openmp.omp_get_num_threads
        ours, *counts = (ctypes.cast(function, ctypes.c_void_p) for function in functions)
        team = ctypes.byref(_Team(ours, ctypes.cast(pointer, ctypes.c_void_p), *counts))
        openmp.GOMP_parallel(kernels("team").s3nn_team, team, ctypes.c_uint(threads), 0)
    else:
        list(_pool(threads).map(lambda number: part(pointer, number, threads), range(threads)))
