"""The README.md of the study, whose table docs/tables.py fills."""

from __future__ import annotations

from pathlib import Path

TEXT = """# ReLU networks converted to spikes over many steps

Written by `benchmarks/conversion.py`. A ReLU network, one trained with `clip_floor` and a ReLU
autoencoder are turned into integrate-and-fire neurons without training
([docs/conversion.md](../../docs/conversion.md)):
from rest or with half a threshold of pre-charge, answering by all outputs or by those behind the
t_d that validation picks, at each T. Every network runs the test split once, for its longest T; the
answers of shorter ones are prefixes. Energy is that of the first test images at each T.

<!-- table: {study} -->
<!-- end -->

![Accuracy and energy against steps](steps.svg)
"""


def page(study: Path) -> str:
    """The text, before `make docs` puts the table of ``study``/result.json into it."""
    return TEXT.format(study=study.as_posix())
