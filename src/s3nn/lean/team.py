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

from s3nn.native import build

COUNT, LIST, FORWARD, WEIGHT_GRADIENT = range(4)


class Geometry(ctypes.Structure):
    """A convolution's sizes, as in the kernels."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            *("height", "width", "channels", "out_height", "out_width", "outputs"),
            *("kernel_y", "kernel_x", "stride_y", "stride_x", "pad_y", "pad_x"),
            *("blocks", "vectors"),
        )
    ]


class Job(ctypes.Structure):
    """What the kernels are to do, as in the kernels; addresses are of tensors that outlive it."""

    _fields_ = [
        ("what", ctypes.c_int32),
        ("geometry", Geometry),
        ("images", ctypes.c_int64),
        ("events", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("maps", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("own", ctypes.c_void_p),
        ("weights_apart", ctypes.c_int64),
        ("own_apart", ctypes.c_int64),
        ("part", ctypes.c_void_p),
        ("parts", ctypes.c_void_p),
    ]


@dataclass(frozen=True)
class _Code:
    name: str
    header: str
    body: str


@cache
def kernels() -> ctypes.CDLL:
    """The compiled kernels; ``CompilerError`` where there is no C compiler."""
    text = resources.files("s3nn.lean").joinpath("kernels/event_convolution.c").read_text("utf-8")
    library = ctypes.CDLL(str(build(_Code("event_convolution", "", text))))
    for name in ("s3nn_part", "s3nn_team"):
        library[name].restype = None
    return library


@cache
def _openmp() -> ctypes.CDLL | None:
    """GNU's OpenMP where torch has loaded it."""
    here = ctypes.CDLL(None)
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    return here if all(hasattr(here, name) for name in names) else None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="s3nn-events")


def run(job: Job) -> None:
    """Do ``job``, its images shared among ``torch.get_num_threads()`` threads."""
    threads, code, openmp = torch.get_num_threads(), kernels(), _openmp()
    pointer = ctypes.byref(job)
    if threads == 1:
        code.s3nn_part(pointer, 0, 1)
    elif openmp is not None:
        job.part = ctypes.cast(openmp.omp_get_thread_num, ctypes.c_void_p)
        job.parts = ctypes.cast(openmp.omp_get_num_threads, ctypes.c_void_p)
        openmp.GOMP_parallel(code.s3nn_team, pointer, ctypes.c_uint(threads), ctypes.c_uint(0))
    else:
        parts = range(threads)
        list(_pool(threads).map(lambda part: code.s3nn_part(pointer, part, threads), parts))
