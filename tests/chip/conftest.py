"""Chips that tests are made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch


@pytest.fixture(scope="session")
def faultless() -> dict[str, Any]:
    """Options of a chip that does what the model does, step by step."""
    return {
        **dict.fromkeys(("mismatch", "noise", "jitter", "refractory"), 0.0),
        "substeps": 1,
        "sample_bits": 24,
        "volts": (-64.0, 64.0),
        "current": 1e3,
        "dtype": torch.float64,
    }
