"""The figures of the page in their order, each with a heading and a caption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s3nn.report.figures.accuracy import accuracy_against_energy
from s3nn.report.figures.curves import learning_curves, seed_table
from s3nn.report.figures.layers import energy_by_layer, firing_rates
from s3nn.report.figures.potentials import potential_histogram
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of
from s3nn.report.table import price_lists

MOST_PRICE_LISTS = 4


@dataclass(frozen=True)
class Panel:
    """One drawing and what stands over it."""

    heading: str
    svg: str


@dataclass(frozen=True)
class Plate:
    """One figure: its anchor, what it shows, its panels, whether a legend of rows is needed."""

    anchor: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    legend: bool = False


def plates(result: Result) -> list[Plate]:
    """Every figure that the result has numbers for."""
    names = price_lists(result)[:MOST_PRICE_LISTS]
    seeds, score = {len(row.score.per_seed) for row in result.rows}, score_of(result)
    several = any(many > 1 for many in seeds)
    bars = "Bars are 95 % intervals over seeds." if several else "One seed: no interval."
    many = f"{seeds.copy().pop()} seeds" if len(seeds) == 1 else "a row's seeds"
    band = f"Lines are means of {many}, bands reach from the lowest to the highest seed. "
    found = [
        Plate(
            "trade",
            f"{score.title} against energy",
            f"Up and to the left is better. {bars} The energy axis is logarithmic; each price "
            "list prices the same operations.",
            tuple(Panel(n, accuracy_against_energy(result, n)) for n in names if result.rows),
        ),
        Plate(
            "energy",
            "Where the energy goes",
            "Each bar is one row's energy per inference, divided over its layers from input to "
            "read-out. Full colour: layers that multiply, because their input is analog. Pale: "
            "layers that only accumulate spikes.",
            tuple(Panel(n, energy_by_layer(result, n)) for n in names if _has_layers(result)),
        ),
        Plate(
            "firing",
            "How often neurons fire",
            "Share of each layer's neurons that fire per time step, mean over the test images.",
            (Panel("", firing_rates(result)),) if _has_rates(result) else (),
            legend=True,
        ),
        Plate(
            "learning",
            "Learning curves",
            (band if several else "One seed. ")
            + f"The {score.name} axis begins where a quarter of the training is done.",
            tuple(
                Panel("", learning_curves(result, w))
                for w in (score.curve, "train_loss")
                if _has(result, w)
            ),
        ),
    ]
    return [plate for plate in found if plate.panels]


def potential_panels(result: Result, row: Row) -> list[Panel]:
    """One histogram of membrane potentials for each layer of ``row``."""
    return [Panel("", potential_histogram(result, row, p)) for p in row.potentials if p.counts]


def _has_layers(result: Result) -> bool:
    return any(row.layers for row in result.rows)


def _has_rates(result: Result) -> bool:
    return any(layer.firing_rate is not None for row in result.rows for layer in row.layers)


def _has(result: Result, which: str) -> bool:
    return any(np.isfinite(seed_table(row.curves, which)).any() for row in result.rows)
