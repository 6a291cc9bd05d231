"""Latency of every engine, and time against spikes."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from s3nn.report.figures.canvas import draw
from s3nn.report.palette import INK, MUTED, ROW_TONES
from training_step.figure import alone

GREY, OURS, OTHER = ROW_TONES[0], ROW_TONES[1], ROW_TONES[2]
WIDTH, ROW_HEIGHT, AROUND = 860, 30, 110


def latency(tree: dict[str, Any]) -> str:
    """The figure of one measurement (SVG): batch 1 on one thread, and the sweep of firing rates."""
    rows = [row for row in tree["rows"] if row["threads"] == 1 and row["batch"] == 1]
    rows.sort(key=lambda row: row["latency_us"])

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        bars, lines = figure.subplots(1, 2, width_ratios=(4, 3))
        _bars(bars, rows)
        _sweep(lines, tree["sweep"])

    return alone(draw(tree["what"], WIDTH, AROUND + ROW_HEIGHT * len(rows), paint))


def _bars(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for i, row in enumerate(rows):
        tone = OURS if row["engine"].startswith("s3nn") else GREY
        axes.barh(i, row["latency_us"], 0.7, color=tone.placeholder, lw=0)
        axes.annotate(
            f"{row['latency_us']:.0f}, {100 * row['accuracy']:.1f} %",
            (row["latency_us"], i),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=9.5,
            color=INK.placeholder,
        )
    axes.set_yticks(range(len(rows)), [row["engine"] for row in rows])
    axes.tick_params(axis="y", labelcolor=INK.placeholder)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, 1.35 * max(row["latency_us"] for row in rows))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("microseconds an image (batch 1, one thread), accuracy")


def _sweep(axes: Axes, swept: list[dict[str, Any]]) -> None:
    for each, tone in zip(swept, (OURS, OTHER), strict=False):
        rates = [100 * row["rate"] for row in each["rows"]]
        times = [row["spikes_latency_us"] for row in each["rows"]]
        axes.plot(
            rates, times, marker="o", ms=3, color=tone.placeholder, label=f"{each['bits']} bits"
        )
    rates = [100 * row["rate"] for row in swept[0]["rows"]]
    dense = [row["dense_latency_us"] for row in swept[0]["rows"]]
    axes.plot(rates, dense, color=MUTED.placeholder, ls=(0, (3, 2)), label="every input read")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("firing rate, %: the hidden convolutions of cnn7")
    axes.set_ylabel("microseconds")
    axes.legend(frameon=False, labelcolor=INK.placeholder)
