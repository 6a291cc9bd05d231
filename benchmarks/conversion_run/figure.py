"""Accuracy and energy of the converted networks against their steps."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from s3nn.report.figures.canvas import draw
from s3nn.report.palette import INK, MUTED, ROW_TONES
from training_step.figure import alone

WIDTH, HEIGHT = 760, 300
SCORES = {"%": "accuracy, %", "dB": "PSNR, dB"}
PLAIN, CHARGED, ONE_STEP = ROW_TONES[0], ROW_TONES[1], ROW_TONES[2]


def by_steps(tree: dict[str, Any]) -> str:
    """A line of panels a parent: accuracy against steps, and energy beside (SVG)."""
    parents = list(dict.fromkeys(row["parent"] for row in tree["conversion"]))

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        panels = figure.subplots(len(parents), 2, sharex=True, squeeze=False, width_ratios=(3, 2))
        for parent, (left, right) in zip(parents, panels, strict=True):
            rows = [row for row in tree["conversion"] if row["parent"] == parent]
            beside = tree["beside"][parent]
            _scores(left, rows, tree["lines"][parent], tree["lines"][beside])
            _energy(right, rows, tree, parent)
            left.set_ylabel(f"{parent} converted:\ntest {SCORES[rows[0]['unit']]}")
        for axis in panels[-1]:
            axis.set_xlabel("steps T")
        lines = panels[0, 0].get_legend_handles_labels()
        figure.legend(*lines, loc="outside upper center", ncols=6, frameon=False, fontsize=9)

    return alone(draw(tree["what"], WIDTH, HEIGHT * len(parents), paint))


def _scores(
    axes: Axes, rows: list[dict[str, Any]], own: dict[str, Any], s3nn: dict[str, Any]
) -> None:
    scale, below = (100, 32) if rows[0]["unit"] == "%" else (1, 12)
    for row in rows:
        tone = (CHARGED if row["precharge"] else PLAIN).placeholder
        values = [scale * value for value in row["scores"]]
        label = f"{'pre-charged' if row['precharge'] else 'from rest'}"
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=tone,
            ls="-" if row["delayed"] else (0, (2, 1.5)),
            lw=1.8,
            label=f"{label}{', delayed' if row['delayed'] else ''}",
        )
    top = scale * own["score"]
    axes.axhline(top, color=INK.placeholder, lw=1.2, label="not converted")
    tone, level = ONE_STEP.placeholder, scale * s3nn["score"]
    axes.axhline(level, color=tone, lw=1.2, ls=(0, (5, 2)), label="S3NN, T = 1")
    steps = len(rows[0]["scores"])
    ticks = [step for step in (1, 2, 4, 8, 16, 32, 64, 128) if step <= steps]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(step) for step in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(top - below, top + below / 16)


def _energy(axes: Axes, rows: list[dict[str, Any]], tree: dict[str, Any], parent: str) -> None:
    prices = tree["prices"]
    for row in rows:
        if row["delayed"]:  # a delay costs nothing
            tone = (CHARGED if row["precharge"] else PLAIN).placeholder
            values = [pj / 1e6 for pj in row["energy_pj"][prices]]
            axes.plot(row["at"], values, color=tone, marker="o", ms=4, lw=1.8)
    lines = ((parent, INK, "-"), (tree["beside"][parent], ONE_STEP, (0, (5, 2))))
    for name, tone, style in lines:
        value = tree["lines"][name]["energy_pj"][prices] / 1e6
        axes.axhline(value, color=tone.placeholder, lw=1.2, ls=style)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("energy, µJ")
    axes.set_title(prices, fontsize=10, color=MUTED.placeholder)
