"""Time and activation memory of every row, against the ReLU twin's."""

from __future__ import annotations

import re
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from s3nn.report.figures.canvas import draw
from s3nn.report.palette import INK, MUTED, PAPER, ROW_TONES, Tone

GREY, OURS, LIF, SPIKINGJELLY, SNNTORCH, NORSE = ROW_TONES[0], *ROW_TONES[1:6]
WIDTH, ROW_HEIGHT, AROUND = 760, 38, 92


def step_cost(tree: dict[str, Any]) -> str:
    """The figure of one measurement: a bar a row and number of threads, memory beside (SVG)."""
    names = [row["name"] for row in tree["sections"][0]["rows"]]

    def paint(figure: Figure, axes: Axes) -> None:
        axes.remove()
        times, kept = figure.subplots(1, 2, sharey=True, width_ratios=(5, 3))
        _times(times, tree, names)
        _kept(kept, tree, names)
        times.set_yticks(range(len(names)), names)
        times.tick_params(axis="y", labelcolor=INK.placeholder)
        times.set_ylim(len(names) - 0.45, -0.55)

    return alone(draw(tree["what"], WIDTH, AROUND + ROW_HEIGHT * len(names), paint))


def _times(axes: Axes, tree: dict[str, Any], names: list[str]) -> None:
    sections = tree["sections"]
    height = 0.76 / len(sections)
    for number, section in enumerate(sections):
        alpha = 1.0 if number == len(sections) - 1 else 0.45
        for i, row in enumerate(section["rows"]):
            y = i + height * (number - (len(sections) - 1) / 2)
            color = _tone(row["name"]).placeholder
            axes.barh(y, row["ratio_to_relu"], height * 0.9, color=color, alpha=alpha, lw=0)
            _number(axes, row["ratio_to_relu"], y, f"{row['ratio_to_relu']:.2f}")
    _of_relu(axes, max(row["ratio_to_relu"] for section in sections for row in section["rows"]))
    threads = ", ".join(_threads(section["threads"]) for section in sections)
    axes.set_xlabel(f"time of a step, ReLU = 1 ({'from above: ' * (len(sections) > 1)}{threads})")


def _kept(axes: Axes, tree: dict[str, Any], names: list[str]) -> None:
    kept = {row["name"]: row for row in tree["memory"]}
    for i, name in enumerate(names):
        part = kept[name]["activations_to_relu"]
        axes.barh(i, part, 0.7, color=_tone(name).placeholder, lw=0)
        _number(axes, part, i, f"{part:.2f}")
    _of_relu(axes, max(row["activations_to_relu"] for row in tree["memory"]))
    axes.set_xlabel("activation memory, ReLU = 1")


def _number(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center_baseline",
        fontsize=9.5,
        color=INK.placeholder,
        bbox={"fc": PAPER.placeholder, "ec": "none", "boxstyle": "square,pad=0.1"},
    )


def _of_relu(axes: Axes, most: float) -> None:
    axes.axvline(1, color=MUTED.placeholder, lw=1, ls=(0, (3, 2)), zorder=0.9)
    axes.set_xlim(0, 1.14 * most)
    axes.grid(axis="y", visible=False)


def _threads(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def _tone(name: str) -> Tone:
    """Grey for what does not spike, one colour for ours in one step, one for each library."""
    for start, tone in (
        ("relu", GREY),
        ("spikingjelly", SPIKINGJELLY),
        ("snntorch", SNNTORCH),
        ("norse", NORSE),
        ("lif", LIF),
    ):
        if name.startswith(start):
            return tone
    return OURS


def alone(svg: str) -> str:
    """A figure of a page as a file of its own: with a name space, a ground and plain colours."""
    svg = re.sub(r"var\([^,()]+, ([^()]+)\)", r"\1", svg)
    ground = f'<rect width="100%" height="100%" fill="{PAPER.light}"/>'
    head, tail = svg.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg">{ground}{tail}\n'
