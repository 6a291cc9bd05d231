"""Losses: what the outputs of a network are held against.  One frozen dataclass a file."""

from typing import Any

from s3nn.losses.base import Loss
from s3nn.registry import LOSSES

__all__ = ["Loss"]


def __getattr__(name: str) -> Any:
    return LOSSES.attribute(name)
