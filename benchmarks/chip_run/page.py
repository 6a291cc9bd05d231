"""The README.md of the study, whose table docs/tables.py fills."""

from __future__ import annotations

from pathlib import Path

TEXT = """# On analog chips

Written by `benchmarks/chip.py`. Five emulated chips (`VirtualChip`, seeds 0 to 4), each with a
fixed pattern of mismatch of its own; how large mismatch is by default is an assumption, which the
sweep is there for. `ideal` is the network in software, `deployed` its weights on a chip,
`in the loop` those weights trained further with that chip, `moved` what came out on the next chip,
`longer` the weights of as much training without a chip.
`lif` is the network of Cramer et al. over 20 steps, `s3nn` the same layers in one step: a volley a
layer. The network that is deployed was trained once; intervals are over chips.

<!-- table: {study} -->
<!-- end -->

![Accuracy on every chip](accuracy.svg)

What mismatch, bits and dead neurons take, all else being as usual; at mismatch 0 what is lost is
the chip's refractory time, fine steps, integers and samples:

![Accuracy against faults](sweeps.svg)
"""


def page(study: Path) -> str:
    """The text, before `make docs` puts the table of ``study``/result.json into it."""
    return TEXT.format(study=study.as_posix())
