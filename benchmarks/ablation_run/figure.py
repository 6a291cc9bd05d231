"""Error against firing rate, a point a surrogate; and alpha against beta as heat maps."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from s3nn.report.figures.canvas import draw, settle
from s3nn.report.figures.labels import label_points
from s3nn.report.palette import INK, ROW_TONES
from training_step.figure import alone

BASE, ACCURACY, RATE = ROW_TONES[1], ROW_TONES[2], ROW_TONES[3]
OTHERS = (*ROW_TONES[2:], ROW_TONES[0])
MARKERS = "Ds^vPX>o"


def surrogates(tree: dict[str, Any]) -> str:
    """Test error against firing rate with their 95 % intervals over the seeds (SVG).

    The error is on a logarithmic axis: surrogates are a fraction of a point apart, or many.
    """
    rows = [row for row in tree["rows"] if "surrogates" in row["groups"]]
    points = [(100 * row["firing_rate"]["mean"], _error(row)) for row in rows]

    def paint(figure: Figure, axes: Axes) -> None:
        for i, row in enumerate(rows):
            tone = BASE if i == 0 else OTHERS[(i - 1) % len(OTHERS)]
            axes.errorbar(
                *points[i],
                xerr=_half(row["firing_rate"]),
                yerr=_around(points[i][1], _half(row["accuracy"])),
                color=tone.placeholder,
                marker=MARKERS[i % len(MARKERS)],
                ms=8,
                elinewidth=1.2,
            )
        axes.set_xlabel("neurons that fire, %")
        axes.set_ylabel("test error, %")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.margins(0.2)
        settle(figure)
        taken = [_box(axes, *point) for point in points]
        label_points(axes, points, [row["name"] for row in rows], taken)

    return alone(draw(f"Test error against firing rate: {tree['what']}", 560, 400, paint))


def _error(row: dict[str, Any]) -> float:
    """Test error in percent, held above 0 for the logarithm."""
    return float(max(100 * (1 - row["accuracy"]["mean"]), 0.01))


def _around(error: float, half: float | None) -> list[list[float]] | None:
    """An interval's ends around ``error``, the lower one above 0."""
    return None if half is None else [[min(half, 0.9 * error)], [half]]


def grid(tree: dict[str, Any]) -> str:
    """Test accuracy and firing rate of every alpha and beta (SVG)."""
    rows = [row for row in tree["rows"] if "grid" in row["groups"]]
    alphas, betas = (sorted({row[name] for row in rows}) for name in ("alpha", "beta"))

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        maps = figure.subplots(1, 2, sharey=True)
        for one, name, tone in zip(
            maps, ("accuracy", "firing_rate"), (ACCURACY, RATE), strict=True
        ):
            values = [row[name]["mean"] for row in rows]
            low, span = min(values), max(max(values) - min(values), 1e-9)
            for row, value in zip(rows, values, strict=True):
                at = alphas.index(row["alpha"]), betas.index(row["beta"])
                level = 0.06 + 0.5 * (value - low) / span
                color = tone.placeholder
                one.add_patch(Rectangle(at, 1, 1, color=color, alpha=level, lw=0))
                half = row[name]["ci95"]
                text = f"{100 * value:.2f}" + ("" if half is None else f"\n± {100 * half:.2f}")
                middle = at[0] + 0.5, at[1] + 0.5
                one.text(*middle, text, ha="center", va="center", color=INK.placeholder, size=10)
            one.set_xticks([i + 0.5 for i in range(len(alphas))], [f"{a:g}" for a in alphas])
            one.set_yticks([i + 0.5 for i in range(len(betas))], [f"{b:g}" for b in betas])
            one.set_xlim(0, len(alphas))
            one.set_ylim(0, len(betas))
            one.grid(visible=False)
            one.set_xlabel("alpha")
        maps[0].set_ylabel("beta")
        maps[0].set_title("test accuracy, %", fontsize=11)
        maps[1].set_title("neurons that fire, %", fontsize=11)

    height = 110 + 56 * len(betas)
    return alone(draw(f"alpha against beta: {tree['what']}", 760, height, paint))


def _half(measured: dict[str, Any]) -> float | None:
    return None if measured["ci95"] is None else 100 * measured["ci95"]


def _box(axes: Axes, x: float, y: float) -> Bbox:
    """The pixels of a marker."""
    left, low = axes.transData.transform((x, y))
    return Bbox([[left - 7, low - 7], [left + 7, low + 7]])
