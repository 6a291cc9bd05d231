"""The score against energy: the figure that a single-step network is judged by."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from s3nn.report.figures.canvas import draw, settle
from s3nn.report.figures.labels import label_points
from s3nn.report.palette import looks
from s3nn.report.schema import Result
from s3nn.report.scores import score_of
from s3nn.report.units import energy_text


def accuracy_against_energy(result: Result, price_list: str) -> str:
    """The test score with its 95 % interval over energy per inference, one point a row (SVG)."""
    score = score_of(result)
    rows = [row for row in result.rows if row.energy_pj.get(price_list, 0) > 0]

    def paint(figure: Figure, axes: Axes) -> None:
        points = []
        for row in rows:
            look = looks(result)[row.name]
            x, y = row.energy_pj[price_list], score.factor * row.score.mean
            half = None if row.score.ci95 is None else score.factor * row.score.ci95
            color = look.tone.placeholder
            axes.errorbar(x, y, yerr=half, color=color, marker=look.marker, ms=8, elinewidth=1.6)
            points.append((x, y))
        axes.set_xscale("log")
        _roomy(axes, [x for x, _ in points])
        axes.set_xlabel("energy per inference")
        axes.set_ylabel(score.axis("test"))
        axes.margins(y=0.2)
        settle(figure)
        taken = [
            _box(axes, x, y, score.factor * (rows[i].score.ci95 or 0))
            for i, (x, y) in enumerate(points)
        ]
        label_points(axes, points, [row.name for row in rows], taken)

    label = f"Test {score.name} against energy per inference by the {price_list} prices"
    return draw(label, 440, 320, paint)


def _roomy(axes: Axes, energies: list[float]) -> None:
    """Limits with room for labels, and decades named in pJ, nJ or µJ."""
    low, high = min(energies, default=1), max(energies, default=1)
    axes.set_xlim(low / 2.5, high * 2.5)
    crowded = high / low > 300
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if crowded else (1, 2, 5), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _plain(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain(energy_pj: float) -> str:
    number, unit = energy_text(energy_pj).split(" ")
    return f"{float(number):g} {unit}"


def _box(axes: Axes, x: float, y: float, half: float) -> Bbox:
    """The pixels of a marker and its error bar."""
    (left, low), (_, high) = axes.transData.transform([(x, y - half), (x, y + half)])
    middle = (low + high) / 2
    reach = max((high - low) / 2, 6)
    return Bbox([[left - 6, middle - reach], [left + 6, middle + reach]])
