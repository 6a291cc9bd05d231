"""Layer by layer: who fires how often, and where the energy goes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from s3nn.report.figures.canvas import draw, width_of
from s3nn.report.palette import INK, PAPER, RULE, looks
from s3nn.report.schema import Layer, Result
from s3nn.report.units import energy_text


def firing_rates(result: Result) -> str:
    """The firing rate of every layer of neurons, one marker a row of the comparison (SVG)."""
    spiking = [row for row in result.rows if row.spikes]
    names = list(
        dict.fromkeys(
            layer.name for row in spiking for layer in row.layers if layer.firing_rate is not None
        )
    )

    def paint(_: Figure, axes: Axes) -> None:
        for row in spiking:
            rates = {layer.name: layer.firing_rate for layer in row.layers}
            at = [
                (100 * (rates[n] or 0), i) for i, n in enumerate(names) if rates.get(n) is not None
            ]
            look = looks(result)[row.name]
            color = look.tone.placeholder
            xs, ys = [x for x, _ in at], [y for _, y in at]
            axes.plot(xs, ys, color=color, lw=1, alpha=0.35)
            axes.plot(xs, ys, color=color, marker=look.marker, ms=8, ls="", mec=PAPER.placeholder)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("neurons that fire, % of the layer per step")
        axes.grid(axis="x", visible=False)
        axes.spines["left"].set_visible(False)

    return draw("Firing rate of every layer", 440, 90 + 30 * len(names), paint)


def energy_by_layer(result: Result, price_list: str) -> str:
    """How each row's energy divides over its layers, the whole being written at the end (SVG).

    Full colour is a layer whose input is analog or counts (it multiplies); pale is one whose input
    is spikes or signs (it accumulates).
    """
    rows = [row for row in result.rows if row.energy_pj.get(price_list, 0) > 0]

    def paint(figure: Figure, axes: Axes) -> None:
        for i, row in enumerate(rows):
            start = 0.0
            whole = sum(layer.energy_pj.get(price_list, 0) for layer in row.layers) or 1.0
            for layer in row.layers:
                share = 100 * layer.energy_pj.get(price_list, 0) / whole
                analog = layer.macs > 0
                _segment(axes, i, start, share, looks(result)[row.name].tone.placeholder, analog)
                _name(figure, axes, i, start, share, layer, analog)
                start += share
            total = energy_text(row.energy_pj[price_list])
            axes.text(102, i, total, va="center", color=INK.placeholder, fontsize=10.5)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.tick_params(axis="y", labelcolor=INK.placeholder)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of the row's energy, %")
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)

    label = f"Energy of each layer by the {price_list} prices"
    return draw(label, 440, 70 + 36 * len(rows), paint)


def _segment(axes: Axes, i: int, start: float, share: float, color: str, analog: bool) -> None:
    axes.barh(i, share, left=start, height=0.62, color=color, alpha=0.95 if analog else 0.28, lw=0)
    edge = PAPER.placeholder if share > 0.4 else RULE.placeholder
    axes.plot([start + share] * 2, [i - 0.31, i + 0.31], color=edge, lw=1.2)


def _name(
    figure: Figure, axes: Axes, i: int, start: float, share: float, layer: Layer, analog: bool
) -> None:
    """The layer's name inside its segment, where it fits."""
    room = 270 * share / 100 - 6
    if room < 10 or width_of(figure, layer.name, 9.5) > room:
        return
    color = PAPER.placeholder if analog else INK.placeholder
    axes.text(start + share / 2, i, layer.name, ha="center", va="center", color=color, fontsize=9.5)
