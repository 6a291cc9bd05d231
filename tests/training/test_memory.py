"""Keeping freed memory: fewer page faults, the same numbers."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from s3nn.training.memory import keep_freed_memory

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")


def page_faults(rounds: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.zeros(4 << 20).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_freed_memory_goes_round() -> None:
    """Sixteen MiB are 4096 pages: once, and not once a round."""
    assert keep_freed_memory()
    page_faults(2)
    assert page_faults(8) < 8 * 4096 / 4


def test_it_says_so_where_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not keep_freed_memory()
