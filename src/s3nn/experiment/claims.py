"""What a comparison is expected to show, held against what it measured."""

from __future__ import annotations

from statistics import fmean

from s3nn.report.interval import paired_scores
from s3nn.report.schema import Result, Row, Show

MOST_POINTS_UNDER_RELU = 1.5
MOST_OF_RELU_ENERGY = 0.1
COMPUTE_ONLY = "float32_45nm"
# Test accuracy that a recipe's single-step row is to reach, as a fraction.
ACCURACY = {"fashion_cnn7_small": 0.92, "fashion_cnn7_half": 0.935, "fashion_cnn7_large": 0.935}


def claims(result: Result) -> tuple[Show, ...]:
    """The claims that the result's rows can decide, whether they hold or not.

    Two rows are held against each other over the seeds that both have.
    """
    rows = {row.name: row for row in result.rows}
    s3nn = rows.get("s3nn")
    if s3nn is None or s3nn.accuracy is None:
        return ()
    shows = []
    if result.recipe in ACCURACY:
        shows.append(_at_least(s3nn, ACCURACY[result.recipe]))
    if "relu" in rows and (pairs := paired_scores(result, s3nn, rows["relu"])):
        shows += _beside_relu(s3nn, rows["relu"], 100 * fmean(b - a for a, b in pairs))
    if "bnn" in rows and (pairs := paired_scores(result, s3nn, rows["bnn"])):
        value, bar = (fmean(scores) for scores in zip(*pairs, strict=True))
        shows.append(Show("s3nn is more accurate than bnn", value, bar, value > bar))
    return tuple(shows)


def _at_least(s3nn: Row, bar: float) -> Show:
    value = s3nn.score.mean
    return Show("s3nn reaches its test accuracy", value, bar, value >= bar)


def _beside_relu(s3nn: Row, relu: Row, points: float) -> list[Show]:
    share = s3nn.energy_pj[COMPUTE_ONLY] / relu.energy_pj[COMPUTE_ONLY]
    return [
        Show(
            "s3nn is at most 1.5 points under relu",
            points,
            MOST_POINTS_UNDER_RELU,
            points <= MOST_POINTS_UNDER_RELU,
        ),
        Show(
            f"s3nn takes at most a tenth of relu's energy ({COMPUTE_ONLY})",
            share,
            MOST_OF_RELU_ENERGY,
            share <= MOST_OF_RELU_ENERGY,
        ),
    ]
