"""Read-outs: how the outputs of T steps become one answer.  One file each."""

from typing import Any

from s3nn.clock.readouts.base import Readout
from s3nn.registry import READOUTS, Spec

__all__ = ["Readout", "make_readout"]


def make_readout(spec: Spec | str, steps: int) -> Readout:
    """The read-out that ``spec`` describes, for a sequence of ``steps`` steps.

    >>> make_readout("membrane(tau=4)", steps=8)
    Membrane(steps=8, tau=4, take=last)
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    items = tuple((key, _word(value)) for key, value in spec.items)
    readout: Readout = READOUTS.build(Spec(spec.name, items), steps=steps)
    return readout


def _word(value: Any) -> Any:
    """A bare word stands for itself: ``membrane(take=max)``."""
    return value.name if isinstance(value, Spec) and not value.items else value


def __getattr__(name: str) -> Any:
    return READOUTS.attribute(name)
