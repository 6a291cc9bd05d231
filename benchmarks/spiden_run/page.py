"""The README.md of the study, whose table docs/tables.py fills."""

from __future__ import annotations

from pathlib import Path

TEXT = """# Denoising with spikes

Written by `benchmarks/spiden.py`. DnCNN (`photos_dncnn`) on patches of photographs, with ReLU, with
quantised activations, and spiking over several steps; PSNR and SSIM are means over three whole
photographs that none was trained on (camera, cat, coffee), the noise the same for all. Energy is of
one pixel. quantised-L has L levels above 0; if-tT is integrate-and-fire over T steps; s3nn is the
single-step neuron. At the first sigma the rows start at the weights of the ReLU network, at the
others at their own of the first.

<!-- table: {study} -->
<!-- end -->

![PSNR against energy, and energy against time steps](trade.svg)

![Crops of the photographs](pictures.png)

From left to right: {columns}.
"""


def page(study: Path, columns: list[str]) -> str:
    """The text, before `make docs` puts the table of ``study``/result.json into it."""
    return TEXT.format(study=study.as_posix(), columns=", ".join(columns))
