"""Accuracy on every chip, and against what is wrong with it."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from s3nn.report.figures.canvas import draw
from s3nn.report.palette import INK, MUTED, ROW_TONES, Tone

TONES: dict[str, Tone] = {
    "ideal": ROW_TONES[0],
    "deployed": ROW_TONES[1],
    "longer": ROW_TONES[2],
    "in the loop": ROW_TONES[3],
    "moved": ROW_TONES[4],
}
WIDTH, HEIGHT, ROW_HEIGHT, AROUND = 760, 300, 34, 84
AXES = {
    "mismatch": "mismatch",
    "bits": "bits of a weight's magnitude",
    "dead": "dead neurons, %",
}


def accuracies(tree: dict[str, Any]) -> str:
    """One panel a network: every chip a pale point, their mean and its interval (SVG)."""
    rows = tree["on_chips"]
    networks = list(dict.fromkeys(row["network"] for row in rows))

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        panels = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
        for panel, network in zip(panels, networks, strict=True):
            _rows(panel, [row for row in rows if row["network"] == network])
            panel.set_xlabel(f"test accuracy, %: {network}")
        panels[0].set_yticks(range(len(TONES)), list(TONES))
        panels[0].tick_params(axis="y", labelcolor=INK.placeholder)
        panels[0].set_ylim(len(TONES) - 0.5, -0.5)

    return draw(tree["what"], WIDTH, AROUND + ROW_HEIGHT * len(TONES), paint)


def _rows(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        measured, color = row["accuracy"], TONES[row["name"]].placeholder
        each = [100 * value for value in measured["per_seed"]]
        half = None if measured["ci95"] is None else 100 * measured["ci95"]
        axes.plot(each, [y] * len(each), "o", ms=4, color=color, alpha=0.35, mew=0)
        mean = 100 * measured["mean"]
        axes.errorbar(mean, y, xerr=half, color=color, marker="D", ms=6, elinewidth=1.6)
        if row["name"] == "ideal":
            axes.axvline(mean, color=MUTED.placeholder, lw=1, ls=(0, (3, 2)), zorder=0.9)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.12)


def sweeps(tree: dict[str, Any]) -> str:
    """One panel for each thing that is varied, all else being as usual (SVG)."""
    points = tree["sweeps"]
    kinds = [kind for kind in AXES if any(point["what"] == kind for point in points)]

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for panel, kind in zip(panels, kinds, strict=True):
            _sweep(panel, [p for p in points if p["what"] == kind], 100 if kind == "dead" else 1)
            panel.set_xlabel(AXES[kind])
            panel.axhline(100 * tree["ideal"], color=MUTED.placeholder, lw=1, ls=(0, (3, 2)))
        panels[0].set_ylabel("test accuracy, %")
        panels[0].legend(frameon=False, labelcolor=INK.placeholder, loc="lower left")

    return draw(f"{tree['what']}, against faults", WIDTH, HEIGHT, paint)


def _sweep(axes: Axes, points: list[dict[str, Any]], scale: float) -> None:
    for name, key in (("deployed", "deployed"), ("in the loop", "in_the_loop")):
        color = TONES[name].placeholder
        there = [point for point in points if point[key] is not None]
        x = [scale * point["value"] for point in there]
        y = [100 * point[key]["mean"] for point in there]
        for at, point in zip(x, there, strict=True):
            each = [100 * value for value in point[key]["per_seed"]]
            axes.plot([at] * len(each), each, "o", ms=3.5, color=color, alpha=0.35, mew=0)
        axes.plot(x, y, color=color, marker="D", ms=5, lw=1.6, label=name)
