"""What the numbers have to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LEAST = 0.95  # of a budget, measured on the test split
SAMPLES = 9  # energies in the middle of the range at which two curves are compared


def shows(budgets: Sequence[dict[str, Any]], penalties: Sequence[dict[str, Any]]) -> list[Any]:
    """Every claim whose cells were trained: {claim, value, bar, holds}."""
    found: list[dict[str, Any]] = []
    if budgets:
        shares = [cell["share_of_budget"] for cell in budgets]
        for claim, value, bar, holds in (
            ("the most of its budget that a network takes", max(shares), 1.0, max(shares) <= 1),
            ("the least of it", min(shares), LEAST, min(shares) >= LEAST),
        ):
            text = f"{claim}, of energy on the test split"
            found.append({"claim": text, "value": value, "bar": bar, "holds": holds})
    for row in dict.fromkeys(cell["row"] for cell in penalties):
        curves = {name: curve(penalties, row, name) for name in ("synaptic", "l1")}
        if all(len(points) > 1 for points in curves.values()):
            ahead = points_ahead(curves["synaptic"], curves["l1"])
            if ahead is not None:
                claim = f"{row}: the least points that synaptic is above l1, mid-range"
                least = min(ahead)
                found.append({"claim": claim, "value": least, "bar": 0.0, "holds": least >= 0})
    return found


def curve(cells: Sequence[dict[str, Any]], row: str, penalty: str) -> list[tuple[float, float]]:
    """(energy in pJ, accuracy), the mean over the seeds of each strength, by rising energy.

    Networks without a penalty, of strength 0, are on every curve.  A network that is no better than
    a cheaper one is on none: too strong a penalty makes some collapse, and spend more again.
    """
    strengths: dict[float, list[tuple[float, float]]] = {}
    for cell in cells:
        if cell["row"] == row and cell["penalty"] in (penalty, None):
            point = cell["energy_pj"], cell["accuracy"]
            strengths.setdefault(cell["strength"], []).append(point)
    means = [np.mean(points, axis=0) for points in strengths.values()]
    front: list[tuple[float, float]] = []
    for energy, accuracy in sorted((float(energy), float(accuracy)) for energy, accuracy in means):
        if not front or accuracy > front[-1][1]:
            front.append((energy, accuracy))
    return front


def points_ahead(
    one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]
) -> list[float] | None:
    """Points of accuracy that ``one`` is above ``other``, in the middle half of shared energies.

    Between measured networks accuracy is a straight line in the logarithm of the energy.

    >>> points_ahead([(1, 0.8), (16, 1.0)], [(1, 0.7), (16, 0.9)])[0].__round__(6)
    10.0
    """
    low = max(min(energy for energy, _ in points) for points in (one, other))
    high = min(max(energy for energy, _ in points) for points in (one, other))
    if low >= high:
        return None
    reach = np.log(high / low)
    at = np.log(low) + reach * np.linspace(0.25, 0.75, SAMPLES)

    def accuracies(points: Sequence[tuple[float, float]]) -> Any:
        energies, found = zip(*points, strict=True)
        return np.interp(at, np.log(energies), found)

    return [float(points) for points in 100 * (accuracies(one) - accuracies(other))]
