"""Learning curves: the mean over seeds and the band they span."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from s3nn.report.figures.canvas import draw, settle, spread, width_of
from s3nn.report.palette import Tone, looks
from s3nn.report.schema import Curves, Result

NAMES = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy, %",
    "validation_psnr_db": "validation PSNR, dB",
}


def learning_curves(result: Result, which: str) -> str:
    """One curve a row over epochs, the band from the lowest to the highest seed (SVG).

    ``which`` is a field of ``Curves``.
    """
    tables = {row.name: seed_table(row.curves, which) for row in result.rows}
    shown = {name: table for name, table in tables.items() if np.isfinite(table).any()}

    def paint(figure: Figure, axes: Axes) -> None:
        ends = []
        for name, table in shown.items():
            look = looks(result)[name]
            finite = np.isfinite(table).any(axis=0)
            epochs = np.arange(1, table.shape[1] + 1)[finite]
            table = table[:, finite]
            low, high, mean = np.nanmin(table, 0), np.nanmax(table, 0), np.nanmean(table, 0)
            color = look.tone.placeholder
            axes.fill_between(epochs, low, high, color=color, alpha=0.18, lw=0)
            axes.plot(epochs, mean, color=color, lw=1.8)
            axes.plot(epochs[-1:], mean[-1:], color=color, marker=look.marker, ms=6)
            ends.append((float(epochs[-1]), float(mean[-1])))
        _scale(axes, which, list(shown.values()))
        axes.set_xlabel("epoch")
        axes.set_ylabel(NAMES[which])
        axes.set_xlim(left=0)
        axes.grid(axis="x", visible=False)
        _name_ends(figure, axes, ends, {name: looks(result)[name].tone for name in shown})

    return draw(f"{NAMES[which]} over epochs", 440, 300, paint)


def seed_table(curves: Curves, which: str) -> NDArray[np.float64]:
    """Seeds x epochs, not-a-number where a seed stopped early or a value was not finite."""
    lines = getattr(curves, which)
    epochs = max(map(len, lines), default=0)
    table = np.full((len(lines), epochs), np.nan)
    for line, values in zip(table, lines, strict=True):
        line[: len(values)] = [np.nan if v is None else v for v in values]
    return table * 100 if which.endswith("accuracy") else table


def _scale(axes: Axes, which: str, tables: list[NDArray[np.float64]]) -> None:
    """Losses on a logarithmic axis; scores from where the first quarter of training ends."""
    if not which.endswith("loss"):
        late = [table[:, table.shape[1] // 4 :] for table in tables]
        lowest = [np.nanmin(part) for part in late if np.isfinite(part).any()]
        axes.set_ylim(bottom=min(lowest, default=0) - 1)
    elif all(np.nanmin(table) > 0 for table in tables):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _name_ends(
    figure: Figure, axes: Axes, ends: list[tuple[float, float]], tones: dict[str, Tone]
) -> None:
    """Each row's name at the right, beside the end of its curve."""
    if not ends:
        return
    last = max(x for x, _ in ends)
    room = max(width_of(figure, name, 10) for name in tones) + 14
    axes.set_xlim(right=max(last, 1) * (1 + room / max(360 - room, 60)))
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= last])
    settle(figure)
    frame = axes.bbox
    heights = spread([axes.transData.transform(end)[1] for end in ends], 13)
    over, under = max(heights) - frame.y1 + 4, frame.y0 + 6 - min(heights)
    shift = -over if over > 0 else max(0.0, under)
    right = (axes.transData.transform((last, 1))[0] + 9 - frame.x0) / frame.width
    for (name, tone), height in zip(tones.items(), heights, strict=True):
        at = (right, (height + shift - frame.y0) / frame.height)
        text = axes.text(*at, name, transform=axes.transAxes, va="center", fontsize=10)
        text.set_color(tone.placeholder)
        text.set_in_layout(False)
