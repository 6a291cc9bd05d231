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
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    items = tuple((key, _word(value)) for key, value in spec.items)
    loss: Loss = LOSSES.build(Spec(spec.name, items))
    return loss


def _word(value: Any) -> Any:
    """A bare word stands for itself: ``target_time(form=mean)``."""
    return value.name if isinstance(value, Spec) and not value.items else value


def __getattr__(name: str) -> Any:
    return LOSSES.attribute(name)
