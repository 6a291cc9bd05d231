"""Accuracy against energy: a curve a penalty, and the networks that had a budget."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from budget_run.claims import curve
from s3nn.report.figures.canvas import draw
from s3nn.report.palette import INK, MUTED, ROW_TONES
from s3nn.report.units import energy_text
from training_step.figure import alone

LINES = ("-", (0, (4, 2)), (0, (1, 2)))


def against_energy(tree: dict[str, Any]) -> str:
    """The figure of the study (SVG)."""
    cells = tree["penalties"]
    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    names = [name for name in dict.fromkeys(cell["penalty"] for cell in cells) if name]

    def paint(figure: Figure, axes: Axes) -> None:
        for line, row in zip(LINES, rows, strict=False):
            for tone, name in zip(ROW_TONES[1:], names, strict=False):
                points = curve(cells, row, name)
                axes.plot(
                    [energy for energy, _ in points],
                    [100 * accuracy for _, accuracy in points],
                    marker="o",
                    ms=4,
                    ls=line,
                    color=tone.placeholder,
                    label=f"{row}, {name}",
                )
        held = [cell for cell in tree["budgets"] if cell["recipe"] == tree["recipe"]]
        if held:
            axes.plot(
                [cell["energy_pj"] for cell in held],
                [100 * cell["accuracy"] for cell in held],
                ls="",
                marker="x",
                color=INK.placeholder,
                label="s3nn, by a budget",
            )
        for most in dict.fromkeys(cell["budget_pj"] for cell in held):
            axes.axvline(most, color=MUTED.placeholder, lw=0.8, zorder=0.9)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: energy_text(x)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"energy per inference ({tree['prices']})")
        axes.set_ylabel("test accuracy, %")
        if names or held:
            axes.legend(frameon=False, labelcolor=INK.placeholder)

    label = f"Test accuracy against energy, {tree['recipe']}, by penalty and by budget"
    return alone(draw(label, 760, 460, paint))
