"""An edge that carries no spikes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """An edge that carries no spikes: ``FROM -> TO``, and the operations that pay for it.

    ``unavoidable`` is what reads the network's input: an image is analog.
    """

    edge: str
    reason: str
    macs: float
    adds: float
    energy_pj: dict[str, float]
    unavoidable: bool
