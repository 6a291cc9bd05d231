"""What the numbers of this machine depend on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NAMES = ("s3nn", "torch", "lightning", "torchmetrics", "numpy", "scikit-learn", "safetensors")


def versions() -> dict[str, Any]:
    """Versions of Python and of the packages that results depend on."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def host(threads: int, gpu: str | None) -> dict[str, Any]:
    """The machine: processor, cores, threads in use, GPU, memory."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "gpu": gpu,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """The processor's name; its kind where the system has no name for it, as Linux on ARM."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "unknown"
