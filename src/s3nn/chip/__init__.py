"""Analog chips: their interface, an emulation behind it, and training in the loop."""

from s3nn.chip.attach import on_chip
from s3nn.chip.injection import inject
from s3nn.chip.interface import Chip, Events, Layer, Limits, Recording
from s3nn.chip.virtual import VirtualChip

__all__ = [
    "Chip",
    "Events",
    "Layer",
    "Limits",
    "Recording",
    "VirtualChip",
    "inject",
    "on_chip",
]
