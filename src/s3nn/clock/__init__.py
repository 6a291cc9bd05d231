"""Time, for those networks that have it.  Nothing outside of this folder knows of steps."""

from s3nn.clock.encoders import Encoder
from s3nn.clock.layers import binary_layers
from s3nn.clock.race import Race, race
from s3nn.clock.readouts import Readout, make_readout
from s3nn.clock.scan import Scan
from s3nn.clock.timed import EarliestPool2d, TimedLayer
from s3nn.clock.unroll import Unroll, unroll
from s3nn.clock.windows import Windows

__all__ = [
    "EarliestPool2d",
    "Encoder",
    "Race",
    "Readout",
    "Scan",
    "TimedLayer",
    "Unroll",
    "Windows",
    "binary_layers",
    "make_readout",
    "race",
    "unroll",
]
