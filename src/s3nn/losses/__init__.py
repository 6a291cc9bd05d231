"""Losses: what the outputs of a network are held against.  One frozen dataclass a file."""

from typing import Any

from s3nn.losses.base import Loss
from s3nn.registry import LOSSES, Spec

__all__ = ["Loss", "make_loss"]


def make_loss(spec: Spec | str) -> Loss:
    """The loss that ``spec`` describes.

    >>> make_loss("target_time(form=mean)")
    TargetTime(delta=5.0, form='mean')
    """
    loss: Loss = LOSSES.make(spec)
    return loss


def __getattr__(name: str) -> Any:
    return LOSSES.attribute(name)
