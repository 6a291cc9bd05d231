"""What travels along an edge of a network: a type that is declared, never guessed from values."""

from __future__ import annotations

from enum import StrEnum


class Edge(StrEnum):
    """The type of the values on an edge.

    analog  real numbers: a synapse that reads them multiplies and accumulates (MAC)
    spike   0 or 1, most of them 0: a synapse adds a weight a spike (AC), silence costs nothing
    sign    -1 or +1: a synapse adds or subtracts a weight for every input (AC), none is silent
    count   a sum or mean of spikes: a few multiplications, as in front of a read-out
    """

    ANALOG = "analog"
    SPIKE = "spike"
    SIGN = "sign"
    COUNT = "count"

    @property
    def binary(self) -> bool:
        """Whether a synapse that reads this edge needs no multiplication."""
        return self in (Edge.SPIKE, Edge.SIGN)
