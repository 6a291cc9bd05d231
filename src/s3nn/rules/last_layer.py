"""Only the read-out is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from torch import nn

from s3nn.rules.base import Rule, frozen, part

__all__ = ["LastLayer"]


class LastLayer(Rule):
    """The read-out learns from the spikes of layers that stay as they were drawn.

    Synapses, batch-norms, thresholds and leaks in front of it are not trained; the running
    statistics of batch-norms still follow the data.  It is the control of rules that train hidden
    layers without back-propagation: what they do not gain over it, hidden layers did not learn.
    """

    crosses: ClassVar[bool] = False

    def prepare(self, network: nn.Module, shape: tuple[int, ...], classes: int, seed: int) -> None:
        for name in ("encode", "features", "readout"):
            part(network, name, self)

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        behind = ("encode", "features")
        with frozen(p for name in behind for p in part(network, name, self).parameters()):
            yield
