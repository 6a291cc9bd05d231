"""Penalties: what training may add to the loss for spikes, one file each."""

from typing import Any

from s3nn.penalties.base import Penalty
from s3nn.registry import PENALTIES

__all__ = ["Penalty"]


def __getattr__(name: str) -> Any:
    return PENALTIES.attribute(name)
