"""Figures are whole, in the page's colours, and their labels do not cover each other."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from s3nn.report.figures.accuracy import accuracy_against_energy
from s3nn.report.figures.canvas import spread
from s3nn.report.figures.curves import learning_curves, seed_table
from s3nn.report.figures.labels import box_of, label_points
from s3nn.report.figures.layers import energy_by_layer, firing_rates
from s3nn.report.figures.potentials import potential_histogram
from s3nn.report.images import heat, strip_width
from s3nn.report.palette import ROW_TONES, looks
from s3nn.report.schema import Result


def draw_all(result: Result) -> list[str]:
    row = result.rows[-1]
    return [
        accuracy_against_energy(result, "45nm int8"),
        energy_by_layer(result, "memory-aware"),
        firing_rates(result),
        learning_curves(result, "validation_accuracy"),
        learning_curves(result, "train_loss"),
        potential_histogram(result, row, row.potentials[0]),
    ]


def test_figures_are_xml_in_css_colours(result: Result) -> None:
    for svg in draw_all(result):
        root = ElementTree.fromstring(svg)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"]
        assert "var(--ink" in svg or "var(--muted" in svg
        assert "http" not in svg
        assert not re.search(r"#0[12]01[0-9a-f]{2}", svg), "a placeholder colour was left"
        ids = re.findall(r' id="([^"]+)"', svg)
        assert len(ids) == len(set(ids))
        for name in re.findall(r'(?:url\(#|href="#)([^")]+)', svg):
            assert name in ids


def test_a_name_with_signs_is_text(result: Result) -> None:
    rows = (result.rows[0], replace(result.rows[1], name="<b>$x_1$ & 中文"))
    svg = accuracy_against_energy(replace(result, rows=rows), "45nm int8")
    assert "&lt;b&gt;$x_1$ &amp; 中文" in svg


def test_figures_survive_one_seed_and_one_epoch(result: Result) -> None:
    row = result.rows[1]
    curves = replace(
        row.curves, train_loss=((0.5,),), validation_accuracy=((None,),), validation_loss=()
    )
    few = replace(result, rows=(replace(row, curves=curves),), seeds=(0,))
    for svg in draw_all(few):
        ElementTree.fromstring(svg)
    assert np.isnan(seed_table(curves, "validation_accuracy")).all()


@pytest.mark.parametrize("gap", [0.0, 0.004, 0.02])
def test_labels_cover_neither_each_other_nor_a_point(gap: float) -> None:
    figure = Figure(figsize=(6, 4), dpi=72)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = [(0.5 + gap * i, 0.5 + gap * (i % 2)) for i in range(7)]
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    figure.draw_without_rendering()
    pixels = axes.transData.transform(points)
    taken = [Bbox([[x - 5, y - 5], [x + 5, y + 5]]) for x, y in pixels]
    notes = label_points(axes, points, [f"row number {i}" for i in range(7)], taken)
    boxes = [box_of(note) for note in notes]
    assert not [1 for a, b in combinations(boxes, 2) if a.overlaps(b)]
    assert not [1 for a in boxes for b in taken if a.overlaps(b)]
    assert all(axes.bbox.fully_containsx(box.x0) for box in boxes)
    assert len({round(box.x0) for box in boxes} | {round(box.y0) for box in boxes}) > 4


@given(st.lists(st.floats(0, 300), max_size=9))
def test_spread_keeps_the_order_and_the_gap(positions: list[float]) -> None:
    placed = spread(positions, 13.0)
    order = np.argsort(positions, kind="stable")
    assert all(np.diff(np.array(placed)[order]) >= 13.0 - 1e-6)


def test_each_row_has_a_look_of_its_own(result: Result) -> None:
    shown = looks(result)
    assert shown["relu"].tone is ROW_TONES[0]
    assert len({look.tone.name for look in shown.values()}) == 5
    assert len({look.marker for look in shown.values()}) == 5


def test_heat_goes_from_dark_to_light() -> None:
    ramp = heat(np.arange(9.0)[None], ROW_TONES[1])[0].astype(int)
    luminance = ramp @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 0).all()
    assert strip_width(1) == 1


def test_curves_whose_end_is_lost_are_drawn(result: Result) -> None:
    row = result.rows[1]
    curves = replace(row.curves, validation_accuracy=((0.5, None, None, None),))
    few = replace(result, rows=(replace(row, curves=curves),))
    ElementTree.fromstring(learning_curves(few, "validation_accuracy"))
