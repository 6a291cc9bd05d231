"""Texts beside points, none on another and none on a point."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from s3nn.report.palette import MUTED

_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
_REACH = (9, 16, 26, 38, 52, 68)
_ALIGN = {1: "left", 0: "center", -1: "right"}
_VALIGN = {1: "bottom", 0: "center", -1: "top"}


def label_points(
    axes: Axes, points: Sequence[tuple[float, float]], texts: Sequence[str], taken: Sequence[Bbox]
) -> list[Annotation]:
    """Write each text beside its point; ``taken`` are boxes in pixels to keep clear.

    Each text takes the first place around its point, nearest first, that overlaps nothing and
    leaves the axes nowhere; when there is none, the place that overlaps least.
    """
    boxes = list(taken)
    placed = []
    for point, text in zip(points, texts, strict=True):
        best: tuple[float, Annotation] | None = None
        for reach in _REACH:
            for side in _SIDES:
                note = _annotate(axes, point, text, side, reach)
                cost = _cost(box_of(note), boxes, axes.bbox)
                if best is None or cost < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (cost, note)
                else:
                    note.remove()
                if best[0] == 0:
                    break
            if best is not None and best[0] == 0:
                break
        assert best is not None, "there is always a first candidate"
        boxes.append(box_of(best[1]))
        placed.append(best[1])
    return placed


def box_of(note: Annotation) -> Bbox:
    """The pixels of the text alone, without the line that leads to its point."""
    note.get_window_extent()  # moves the text to its place, which Text alone does not
    return Text.get_window_extent(note)


def _annotate(
    axes: Axes, point: tuple[float, float], text: str, side: tuple[int, int], reach: float
) -> Annotation:
    x, y = side
    slant = 0.75 if x and y else 1.0
    note = axes.annotate(
        text,
        point,
        xytext=(x * reach * slant, y * reach * slant),
        textcoords="offset points",
        ha=_ALIGN[x],
        va=_VALIGN[y],
        annotation_clip=False,
        arrowprops=None
        if reach <= _REACH[1]
        else {"arrowstyle": "-", "color": MUTED.placeholder, "lw": 0.7, "shrinkA": 1, "shrinkB": 5},
    )
    note.set_in_layout(False)
    return note


def _cost(box: Bbox, boxes: Sequence[Bbox], frame: Bbox) -> float:
    overlaps = [Bbox.intersection(box, other) for other in boxes]
    covered = sum(o.width * o.height for o in overlaps if o is not None)
    inside = Bbox.intersection(box, frame)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0)
    return float(covered + (outside if outside > 1 else 0))
