"""The cells of the ablation: what changes between one training and the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SURROGATES = (
    "s3",
    "sigmoid",
    "timing_only",
    "rectangle",
    "triangle",
    "arctan",
    "straight_through",
    "superspike",
)
ALPHAS, BETAS = (3.0, 4.0, 5.0, 8.0), (0.5, 1.0, 2.0)
GROUPS = ("surrogates", "grid", "thresholds")
BASE = "s3"  # alpha = 4, beta = 1, a fixed threshold of 1: the neuron that the others are held to


@dataclass(frozen=True)
class Cell:
    """A neuron by its spec, the name of its cell, and the groups that it is in."""

    name: str
    neuron: str
    groups: tuple[str, ...]
    alpha: float | None = None
    beta: float | None = None


def cells(
    groups: Sequence[str],
    surrogates: Sequence[str] = SURROGATES,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
) -> list[Cell]:
    """The cells of ``groups``, each once; the base is in all of them.

    >>> [cell.name for cell in cells(["grid"], alphas=[4, 5], betas=[1])]
    ['s3', 's3-alpha5-beta1']
    >>> len(cells(GROUPS))
    21
    """
    in_grid = ("grid",) if 4 in alphas and 1 in betas else ()
    shared = [g for g in ("surrogates", *in_grid, "thresholds") if g in groups]
    found = [Cell(BASE, "fire(surrogate=s3(alpha=4, beta=1))", tuple(shared), 4.0, 1.0)]
    if "surrogates" in groups:
        found += [
            Cell(name, f"fire(surrogate={name})", ("surrogates",))
            for name in surrogates
            if name != BASE
        ]
    if "grid" in groups:
        found += [
            Cell(
                f"s3-alpha{alpha:g}-beta{beta:g}",
                f"fire(surrogate=s3(alpha={alpha:g}, beta={beta:g}))",
                ("grid",),
                alpha,
                beta,
            )
            for alpha in alphas
            for beta in betas
            if (alpha, beta) != (4, 1)
        ]
    if "thresholds" in groups:
        found += [
            Cell("s3-learned", "fire(learn=True)", ("thresholds",)),
            Cell("s3-learned-per-channel", "fire(learn=True, per_channel=True)", ("thresholds",)),
        ]
    return found
