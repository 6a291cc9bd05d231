"""Time, for those networks that have it.  Nothing outside of this folder knows of steps."""

from s3nn.clock.encoders import Encoder
from s3nn.clock.layers import binary_layers
from s3nn.clock.readouts import Readout, make_readout
from s3nn.clock.scan import Scan
from s3nn.clock.unroll import Unroll, unroll
from s3nn.clock.windows import Windows

__all__ = [
    "Encoder",
    "Readout",
    "Scan",
    "Unroll",
    "Windows",
    "binary_layers",
    "make_readout",
    "unroll",
]
