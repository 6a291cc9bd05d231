"""From a matplotlib figure to an SVG that belongs to the page: its fonts, its colours, no ids."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2s
from html import escape
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from s3nn.report.palette import INK, MUTED, RULE, css_colors

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "s3nn",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK.placeholder,
    "axes.edgecolor": RULE.placeholder,
    "axes.labelcolor": MUTED.placeholder,
    "axes.linewidth": 1.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 11,
    "axes.unicode_minus": True,
    "grid.color": RULE.placeholder,
    "grid.linewidth": 0.8,
    "xtick.color": RULE.placeholder,
    "ytick.color": RULE.placeholder,
    "xtick.labelcolor": MUTED.placeholder,
    "ytick.labelcolor": MUTED.placeholder,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "xtick.minor.visible": False,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Margins:
    """Pixels around the axes; where they are known, no layout has to be solved."""

    left: float
    bottom: float
    right: float
    top: float


def draw(
    label: str,
    width_px: float,
    height_px: float,
    paint: Callable[[Figure, Axes], None],
    margins: Margins | None = None,
) -> str:
    """Let ``paint`` draw on one pair of axes and return the SVG, ``label`` being its alt text.

    One unit of the SVG is one CSS pixel; text stays text, in the font of the page.
    """
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # the page's font writes the text; matplotlib's only measures it
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72)
        figure.set_layout_engine("constrained" if margins is None else "none")
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        if margins is not None:
            figure.subplots_adjust(
                left=margins.left / width_px,
                bottom=margins.bottom / height_px,
                right=1 - margins.right / width_px,
                top=1 - margins.top / height_px,
            )
        paint(figure, axes)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None}, dpi=72)
    return _inline(out.getvalue(), label, width_px, height_px)


def settle(figure: Figure) -> None:
    """Solve the layout now and keep it: what is measured from here on stays true."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def width_of(figure: Figure, text: str, size: float = 11) -> float:
    """How many pixels wide a text is, at most: the font measured is a wide one."""
    drawn = figure.text(0, 0, text, fontsize=size)
    width = float(drawn.get_window_extent().width)
    drawn.remove()
    return width


def spread(positions: list[float], gap: float) -> list[float]:
    """The positions moved apart to at least ``gap``, in the same order, about the same middle.

    >>> spread([0.0, 1.0, 10.0], 4.0)
    [-1.5, 2.5, 10.0]
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)
    groups: list[tuple[float, int]] = []
    for i in order:
        middle, size = positions[i], 1
        while groups and middle - groups[-1][0] < gap * (size + groups[-1][1]) / 2:
            other, count = groups.pop()
            middle, size = (middle * size + other * count) / (size + count), size + count
        groups.append((middle, size))
    placed = [m + gap * (k - (size - 1) / 2) for m, size in groups for k in range(size)]
    moved = dict(zip(order, placed, strict=True))
    return [moved[i] for i in range(len(positions))]


def _inline(svg: str, label: str, width_px: float, height_px: float) -> str:
    body = svg[svg.index("<defs>") : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = _unique_ids(body, f"f{blake2s(label.encode(), digest_size=5).hexdigest()}")
    body = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "var(--figure-font, sans-serif)", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    return (
        f'<svg viewBox="0 0 {width_px:g} {height_px:g}" width="{width_px:g}" '
        f'height="{height_px:g}" role="img" aria-label="{escape(label)}">\n'
        f"{css_colors(body)}</svg>"
    )


def _unique_ids(body: str, prefix: str) -> str:
    """Keep only ids that are referred to, and make them the figure's own."""
    used = set(re.findall(r"url\(#([^)]+)\)", body)) | set(re.findall(r'href="#([^"]+)"', body))
    for name in sorted(re.findall(r' id="([^"]+)"', body), key=len, reverse=True):
        body = body.replace(f' id="{name}"', f' id="{prefix}-{name}"' if name in used else "")
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", body)
