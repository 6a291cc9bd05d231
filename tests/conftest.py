"""One thread a test process, and the same random numbers for every test."""

from __future__ import annotations

import os
import sys

import pytest

# Small tensors: a second thread costs more than it brings, and xdist fills the other cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _seed() -> None:
    # Tests of the rooms without torch must not load it.
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
