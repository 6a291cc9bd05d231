"""The README.md of the study, whose table docs/tables.py fills."""

from __future__ import annotations

from pathlib import Path

TEXT = """# Masked surrogate gradients and weighted steps, with few labels

Written by `benchmarks/masked.py`. Fashion-MNIST with few of its labels, drawn by class and seed;
`fashion_few`, a fully connected network of 200-200. Rows `plain` to `masked-two` are LIF neurons
over four steps of latency code with the triangular surrogate; `s3nn` is the single-step neuron,
which sees the image itself. masked: half of the surrogate gradients are zero in each backward pass
(Li et al., Neural Networks 2024), rescaled: what is left is doubled; two: the read-out weighs the
steps by their training accuracy. With one step there is nothing to weigh.

A seed decides the labels, the first weights and the order of a row and its plain one alike; gains
are over these pairs. The epoch is chosen on 1,000 validation images, the same for every row.

<!-- table: {study} -->
<!-- end -->

![Test accuracy of every row](accuracy.svg)
"""


def page(study: Path) -> str:
    """The text, before `make docs` puts the table of ``study``/result.json into it."""
    return TEXT.format(study=study.as_posix())
