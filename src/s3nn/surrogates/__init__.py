"""Surrogate gradients: one frozen dataclass a file, each with its equation and source."""

from typing import Any

from s3nn.registry import SURROGATES
from s3nn.surrogates.base import Surrogate, spike

__all__ = ["Surrogate", "spike"]


def __getattr__(name: str) -> Any:
    return SURROGATES.attribute(name)
