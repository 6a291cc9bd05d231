"""Architectures: one file each, each with a width multiplier, any neuron and any synapse."""

from typing import Any

from s3nn.models.base import Parts, SpikingModel
from s3nn.registry import MODELS

__all__ = ["Parts", "SpikingModel"]


def __getattr__(name: str) -> Any:
    return MODELS.attribute(name)
