"""One colour and one marker a row, the same in every figure, in the dark and in the light.

The hues are Okabe and Ito's (colour-blind safe), tuned to stand out on each ground; the
full-precision row, which does not spike, is grey.  Matplotlib cannot draw with a CSS variable, so
it draws with a placeholder colour that ``css_colors`` replaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from s3nn.report.schema import Result, Row
from s3nn.report.table import reference_row


@dataclass(frozen=True)
class Tone:
    """A colour by its CSS variable, its light and dark values, and matplotlib's placeholder."""

    name: str
    light: str
    dark: str
    placeholder: str


@dataclass(frozen=True)
class Look:
    """How a row is drawn: its tone, matplotlib's marker, and that marker as an SVG path."""

    tone: Tone
    marker: str
    path: str


INK = Tone("ink", "#1a1d21", "#e8e6e1", "#010101")
MUTED = Tone("muted", "#5f6670", "#9aa3ad", "#010102")
RULE = Tone("rule", "#dcd9d2", "#30353c", "#010103")
PAPER = Tone("paper", "#ffffff", "#15181c", "#010104")

ROW_TONES = (
    Tone("row-0", "#6b7280", "#a3abb5", "#020100"),
    Tone("row-1", "#c9500a", "#ff8f4a", "#020101"),
    Tone("row-2", "#0068a8", "#5db8f0", "#020102"),
    Tone("row-3", "#00805c", "#38cfa0", "#020103"),
    Tone("row-4", "#a3468a", "#e59fcd", "#020104"),
    Tone("row-5", "#9a7400", "#ecc23c", "#020105"),
    Tone("row-6", "#2f6f7d", "#86d3dd", "#020106"),
    Tone("row-7", "#7a4b2a", "#cf9f78", "#020107"),
)
TONES = (INK, MUTED, RULE, PAPER, *ROW_TONES)

_MARKERS = (
    ("o", "M8 3a5 5 0 1 0 .01 0z"),
    ("D", "M8 2.2 13.8 8 8 13.8 2.2 8z"),
    ("s", "M3.4 3.4h9.2v9.2H3.4z"),
    ("^", "M8 2.8 13.6 12.6H2.4z"),
    ("v", "M8 13.2 2.4 3.4h11.2z"),
    ("P", "M6 3h4v3h3v4h-3v3H6v-3H3V6h3z"),
    ("X", "M3 5 5 3l3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z"),
    (">", "M13.2 8 3.4 13.6V2.4z"),
)


def looks(result: Result) -> dict[str, Look]:
    """How each row is drawn, by its name."""
    twin = reference_row(result)
    others = [row.name for row in result.rows if row is not twin]
    shown = {} if twin is None else {twin.name: _look(0, 0)}
    colors = len(ROW_TONES) - 1
    shown.update({name: _look(1 + i % colors, i + 1) for i, name in enumerate(others)})
    return shown


def tone_of(result: Result, row: Row) -> Tone:
    """The colour of one row."""
    return looks(result)[row.name].tone


def css_colors(svg: str) -> str:
    """Replace every placeholder by its CSS variable, the light value standing in without one.

    >>> css_colors("fill: #010101")
    'fill: var(--ink, #1a1d21)'
    """
    by_placeholder = {tone.placeholder: f"var(--{tone.name}, {tone.light})" for tone in TONES}
    return re.sub(r"#0[12]01[0-9a-f]{2}", lambda m: by_placeholder.get(m[0], m[0]), svg)


def css_variables(dark: bool) -> str:
    """The declarations of every colour, for one of the two grounds."""
    return " ".join(f"--{tone.name}: {tone.dark if dark else tone.light};" for tone in TONES)


def _look(tone: int, marker: int) -> Look:
    return Look(ROW_TONES[tone], *_MARKERS[marker % len(_MARKERS)])
