"""Membrane potentials around the threshold, and what the surrogate makes of them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from s3nn.report.figures.canvas import Margins, draw
from s3nn.report.palette import INK, MUTED, tone_of
from s3nn.report.schema import Potentials, Result, Row


def potential_histogram(result: Result, row: Row, potentials: Potentials) -> str:
    """Histogram of one layer's membrane potential; what fires is in colour (SVG).

    The line is the surrogate derivative, scaled to its own largest value: where it is high,
    a potential is taught; where it is low, the gradient is lost.
    """
    edges, counts = np.array(potentials.edges), np.array(potentials.counts)
    share = counts / max(counts.sum(), 1)
    theta = potentials.threshold

    def paint(_: Figure, axes: Axes) -> None:
        color = tone_of(result, row).placeholder
        axes.stairs(share, edges, fill=True, color=MUTED.placeholder, alpha=0.35, lw=0)
        fired = np.where((edges[:-1] + edges[1:]) / 2 > theta, share, 0)
        axes.stairs(fired, edges, fill=True, color=color, alpha=0.9, lw=0)
        top = float(share.max()) if share.size else 1.0
        axes.set_ylim(0, 1.22 * top or 1)
        axes.set_xlim(edges[0], edges[-1])
        axes.axvline(theta, ymax=0.87, color=INK.placeholder, lw=1, ls=(0, (3, 2)))
        axes.text(theta, 1.1 * top, f"θ = {theta:.2f}", ha="center", va="bottom", fontsize=10)
        _surrogate(axes, row, top)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"{potentials.layer}: u")

    label = f"Membrane potential of {row.name}, layer {potentials.layer}"
    return draw(label, 236, 158, paint, Margins(left=8, bottom=36, right=8, top=4))


def _surrogate(axes: Axes, row: Row, top: float) -> None:
    if row.surrogate is None or not row.surrogate.u:
        return
    derivative = np.array(row.surrogate.derivative)
    high = float(np.abs(derivative).max()) or 1.0
    axes.plot(row.surrogate.u, derivative / high * top, color=INK.placeholder, lw=1.4)
