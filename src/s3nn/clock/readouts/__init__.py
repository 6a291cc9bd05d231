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
    readout: Readout = READOUTS.make(spec, steps=steps)
    return readout


def __getattr__(name: str) -> Any:
    return READOUTS.attribute(name)
