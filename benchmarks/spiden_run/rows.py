"""The rows: what changes between the networks of the study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from s3nn.config import Run, Teacher

RELU, S3NN = "relu", "s3nn"
LEARNED = "learn=True, per_channel=True"


def network(row: str, recipe: Run) -> tuple[str, int]:
    """The neuron of a row, and its time steps.

    relu           the twin that does not spike
    quantised-L    the twin whose activations are rounded to L levels above 0: what L steps can say
                   of a constant current; 15 levels are 4 bits
    s3nn           the single-step neuron with its own surrogate
    if-tT          the recipe's integrate-and-fire over T steps
    """
    if row == RELU:
        return "relu", 1
    if row == S3NN:
        return f"fire({LEARNED})", 1
    kind, _, number = row.partition("-")
    if kind == "quantised":
        return f"clip_floor(levels={int(number)}, threshold=2.0, {LEARNED})", 1
    return recipe.model.neuron, int(number.removeprefix("t"))


@dataclass(frozen=True)
class Cell:
    """One training: its row and noise, and the folder it lives in."""

    row: str
    sigma: float
    run: Run
    folder: Path


def cells(
    recipe: Run,
    rows: tuple[str, ...],
    sigmas: tuple[float, ...],
    epochs: tuple[int, int, int],
    runs: Path,
) -> list[Cell]:
    """The cells in the order they are trained, each after the one whose weights it starts at.

    At the first sigma the ReLU network is trained from the start for ``epochs[0]``, and all others
    from its weights for ``epochs[1]``; at the other sigmas every row from its own weights at the
    first, for ``epochs[2]``.
    """
    first, found = sigmas[0], []
    for sigma in sigmas:
        for row in rows:
            start = None if row == RELU else RELU
            start = start if sigma == first else row
            neuron, steps = network(row, recipe)
            number = epochs[2] if sigma != first else epochs[0 if start is None else 1]
            of_row = replace(
                recipe.with_model(neuron=neuron, steps=steps),
                task=f"denoising(sigma={sigma:g})",
                fit=replace(recipe.fit, epochs=number),
                teacher=Teacher() if start is None else _at(runs / f"{first:g}" / start),
            )
            found.append(Cell(row, sigma, of_row, runs / f"{sigma:g}" / row))
    return found


def _at(folder: Path) -> Teacher:
    return Teacher(folder=str(folder), share=0.0, start=True)
