"""Trained gates in front of convolutions, which drop spikes image by image."""

from s3nn.gates.base import Decision, Gate, Gated, Passing, ungated_name
from s3nn.gates.channel import ChannelGate
from s3nn.gates.insert import gated
from s3nn.gates.loss import MaskLoss
from s3nn.gates.spatial import SpatialGate

__all__ = [
    "ChannelGate",
    "Decision",
    "Gate",
    "Gated",
    "MaskLoss",
    "Passing",
    "SpatialGate",
    "gated",
    "ungated_name",
]
