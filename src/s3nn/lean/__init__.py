"""A training step with nothing to waste: what backward needs is kept small or computed again."""

from s3nn.lean.network import lean
from s3nn.lean.packing import Packed, pack

__all__ = ["Packed", "lean", "pack"]
