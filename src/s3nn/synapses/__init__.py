"""Synapses: one file each."""

from typing import Any

from s3nn.registry import SYNAPSES
from s3nn.synapses.base import Synapse, SynapticConv2d, SynapticLinear

__all__ = ["Synapse", "SynapticConv2d", "SynapticLinear"]


def __getattr__(name: str) -> Any:
    return SYNAPSES.attribute(name)
