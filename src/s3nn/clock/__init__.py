"""Time, for those networks that have it.  Nothing outside of this folder knows of steps."""

from s3nn.clock.layers import binary_layers
from s3nn.clock.unroll import Scan, Unroll, unroll

__all__ = ["Scan", "Unroll", "binary_layers", "unroll"]
