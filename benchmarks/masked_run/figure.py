"""Test accuracy of every row, one panel a number of labels."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from s3nn.report.figures.canvas import draw
from s3nn.report.palette import INK, MUTED, ROW_TONES, Tone

PLAIN, MASKED, WEIGHTED, BOTH = ROW_TONES[0], *ROW_TONES[1:4]
WIDTH, ROW_HEIGHT, AROUND = 760, 34, 84


def accuracies(tree: dict[str, Any]) -> str:
    """The figure of the study: a point a row with its interval, the seeds pale behind it (SVG)."""
    rows = tree["few_labels"]
    names = list(dict.fromkeys(row["name"] for row in rows))
    labels = list(dict.fromkeys(row["labels"] for row in rows))

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        panels = figure.subplots(1, max(1, len(labels)), sharey=True, squeeze=False)[0]
        for panel, number in zip(panels, labels, strict=False):
            _panel(panel, {row["name"]: row for row in rows if row["labels"] == number}, names)
            panel.set_xlabel(f"test accuracy, %: {number:,} labels")
        panels[0].set_yticks(range(len(names)), names)
        panels[0].tick_params(axis="y", labelcolor=INK.placeholder)
        panels[0].set_ylim(len(names) - 0.5, -0.5)

    return draw(tree["what"], WIDTH, AROUND + ROW_HEIGHT * len(names), paint)


def _panel(axes: Axes, rows: dict[str, dict[str, Any]], names: list[str]) -> None:
    for y, name in enumerate(names):
        if name not in rows:
            continue
        accuracy, color = rows[name]["accuracy"], _tone(name).placeholder
        seeds = [100 * value for value in accuracy["per_seed"]]
        axes.plot(seeds, [y] * len(seeds), "o", ms=4, color=color, alpha=0.35, mew=0)
        half = None if accuracy["ci95"] is None else 100 * accuracy["ci95"]
        mean = 100 * accuracy["mean"]
        axes.errorbar(mean, y, xerr=half, color=color, marker="D", ms=6, elinewidth=1.6)
    for plain, style in (("plain", (0, (3, 2))), ("s3nn", (0, (1, 2)))):
        if plain in rows:
            mean = 100 * rows[plain]["accuracy"]["mean"]
            axes.axvline(mean, color=MUTED.placeholder, lw=1, ls=style, zorder=0.9)
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.12)


def _tone(name: str) -> Tone:
    """Grey for what is not masked or weighted."""
    masked, weighted = "masked" in name, "two" in name
    return {(False, False): PLAIN, (True, False): MASKED, (False, True): WEIGHTED}.get(
        (masked, weighted), BOTH
    )
