"""The README.md of the study, whose table docs/tables.py fills."""

from __future__ import annotations

from pathlib import Path

TEXT = """# SSTDP: one spike a neuron, learned by spike-timing-dependent plasticity

Written by `benchmarks/sstdp.py`. One hidden layer of neurons without leak that fire once at
most; pixels and neurons speak by when they fire, the output that fires first is the answer
([docs/spike_times.md](../../docs/spike_times.md)). `sstdp` are the recipes `digits_sstdp` and
`fashion_sstdp`; `as its authors train` is their code's network of 400 neurons with its first
weights, kernel, targets and constant rate, and ties and last steps as here; `relu` is of the size
of `sstdp`, trained by back-propagation.

A tie is of outputs that fire first together; it goes to the lowest class. Where no output fires,
the first class is the answer. Energy is that of the {prices} list, neurons updated at every step.

<!-- table: {study} -->
<!-- end -->

`gradients/`: [gradients beside the authors' code](gradients/README.md).
"""


def page(study: Path, prices: str = "float32_45nm") -> str:
    """The text, before `make docs` puts the table of ``study``/result.json into it."""
    return TEXT.format(study=study.as_posix(), prices=prices)
