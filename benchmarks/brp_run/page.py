"""The README.md of the study, whose tables docs/tables.py fills."""

from __future__ import annotations

from pathlib import Path

TEXT = """# Rules in the place of back-propagation

Written by `benchmarks/brp.py`. Fashion-MNIST, `fashion_brp`: 8C5-P-250-10 with batch-norm and the
single-step neuron, 6 epochs, three seeds. Rows differ in the rule alone, and `last-layer` in its
learning rate, each chosen on validation images; the epoch is chosen on them too. What a rule gains
over `last-layer` is what the hidden layers learned by it.

<!-- table: {study} -->
<!-- end -->

A first layer that learned by pairs of spikes, without labels, beside one that stays as it was drawn
and one that is trained with the rest:

<!-- table: {study}/first-layer -->
<!-- end -->

`gradients/`: [the rules beside the authors' code](gradients/README.md).
"""


def page(study: Path) -> str:
    """The text, before `make docs` puts the tables of ``study`` into it."""
    return TEXT.format(study=study.as_posix())
