"""PSNR against energy, and energy against time steps."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from s3nn.report.figures.canvas import draw, settle
from s3nn.report.figures.labels import label_points
from s3nn.report.palette import MUTED, ROW_TONES, Tone
from s3nn.report.units import energy_text

GREY, OURS, IF, QUANTISED = ROW_TONES[0], *ROW_TONES[1:4]
WIDTH, HEIGHT = 820, 360


def trade(tree: dict[str, Any]) -> str:
    """The figure of the study, at its first sigma (SVG)."""
    sigma = tree["sigmas"][0]
    rows = [row for row in tree["denoising"] if row["sigma"] == sigma]

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _quality(figure, left, rows, tree["prices"])
        _steps(right, tree["stops"])

    return draw(tree["what"], WIDTH, HEIGHT, paint)


def _quality(figure: Figure, axes: Axes, rows: list[dict[str, Any]], prices: str) -> None:
    points = [(row["energy_pj_a_pixel"][prices], row["psnr_db"]) for row in rows]
    for row, (x, y) in zip(rows, points, strict=True):
        axes.plot(x, y, "o", ms=7, color=_tone(row["name"]).placeholder)
    axes.set_xscale("log")
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    axes.set_xlim(low / 2, high * 2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: energy_text(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.15)
    axes.set_xlabel(f"energy a pixel, {prices}")
    axes.set_ylabel("PSNR on held-out photographs, dB")
    settle(figure)
    label_points(axes, points, [row["name"] for row in rows], [])


def _steps(axes: Axes, stops: list[dict[str, Any]]) -> None:
    for tone, stop in zip(ROW_TONES[1:], stops, strict=False):
        shares = {int(steps): share for steps, share in stop["energy_to_relu"].items()}
        axes.plot([*shares], [*shares.values()], "o-", ms=5, color=tone.placeholder)
        last = max(shares)
        axes.annotate(
            stop["prices"],
            (last, shares[last]),
            (-4, 5),
            textcoords="offset points",
            ha="right",
            fontsize=8.5,
            color=tone.placeholder,
        )
    axes.axhline(1, color=MUTED.placeholder, lw=1, ls=(0, (3, 2)))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time steps")
    axes.set_ylabel("energy, of the ReLU twin's")


def _tone(name: str) -> Tone:
    kinds = {"relu": GREY, "s3nn": OURS, "quantised": QUANTISED}
    return kinds.get(name.partition("-")[0], IF)
