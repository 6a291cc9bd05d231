"""Encoders: how an image becomes a sequence.  One file each."""

from typing import Any

from s3nn.clock.encoders.base import Encoder, Shape
from s3nn.registry import ENCODERS

__all__ = ["Encoder", "Shape"]


def __getattr__(name: str) -> Any:
    return ENCODERS.attribute(name)
