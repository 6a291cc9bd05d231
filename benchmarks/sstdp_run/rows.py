"""The rows of the study: SSTDP and its controls."""

from __future__ import annotations

from dataclasses import replace

from s3nn.config import Model, Optim, Run

SSTDP, PLAIN, RELU = "sstdp", "sstdp, not balanced", "relu"
ROWS = (SSTDP, PLAIN, RELU)


def with_row(run: Run, row: str) -> Run:
    """A recipe of SSTDP as the row called ``row``; relu is of the same size and back-propagated."""
    model = run.model
    if row == SSTDP:
        return run
    if row == PLAIN:
        return run.with_model(neuron=model.neuron.replace(", balance=True", ""))
    network = Model(name="mlp(hidden=1)", width=model.width, neuron="relu")
    return replace(run, model=network, optim=Optim(lr=0.05))
