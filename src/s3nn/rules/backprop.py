"""Back-propagation as it is."""

from __future__ import annotations

from typing import ClassVar

from s3nn.rules.base import Rule

__all__ = ["Backprop"]


class Backprop(Rule):
    """Surrogate gradients through all layers and steps."""

    plain: ClassVar[bool] = True
