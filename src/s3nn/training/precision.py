"""The arithmetic of a training step, where a run leaves that to the machine."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Literal

import torch
from torch.nn import functional

Arithmetic = Literal["32", "bf16", "16"]
ROUNDS = 5


def arithmetic(asked: Literal["auto"] | Arithmetic, device: torch.device) -> Arithmetic:
    """``asked``, or for ``auto`` bfloat16 where ``device`` computes in it faster than in float32.

    A GPU does where it has bfloat16 of its own.  Processors differ: with tiles (AMX), or AVX-512
    BF16 on AMD's, a convolution takes half the time and less, with Intel's AVX-512 BF16 alone twice
    the time, and with AVX2 ten times and more.  So one is timed.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    return "bf16" if device.type == "cpu" and bfloat16_gain() > 1 else "32"


@cache
def bfloat16_gain() -> float:
    """Seconds that a convolution takes this processor in float32, over those in bfloat16.

    The least of a few interleaved rounds; some milliseconds.
    """
    dtypes = (torch.float32, torch.bfloat16)
    layout = torch.channels_last
    operands = [
        (
            torch.ones(16, 64, 14, 14, dtype=dtype).to(memory_format=layout),
            torch.ones(64, 64, 3, 3, dtype=dtype).to(memory_format=layout),
        )
        for dtype in dtypes
    ]
    least = [float("inf"), float("inf")]
    with torch.inference_mode():
        for round_ in range(ROUNDS + 1):
            for i, (x, weight) in enumerate(operands):
                began = perf_counter()
                functional.conv2d(x, weight, padding=1)
                if round_:  # the first one makes the kernel
                    least[i] = min(least[i], perf_counter() - began)
    return least[0] / least[1]
