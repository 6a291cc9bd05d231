"""Surrogate gradients: one frozen dataclass a file, each with its equation and source."""

from typing import Any

from s3nn.registry import SURROGATES
from s3nn.surrogates.base import Surrogate, fired, spike

__all__ = ["Surrogate", "fired", "spike"]


def __getattr__(name: str) -> Any:
    return SURROGATES.attribute(name)
