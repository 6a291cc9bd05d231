"""A training step with nothing to waste.

What backward needs is kept small or computed again, and what did not fire is not worked on.
"""

from s3nn.lean.network import lean
from s3nn.lean.packing import Packed, pack

__all__ = ["Packed", "lean", "pack"]
