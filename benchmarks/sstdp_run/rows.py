"""The rows of the study: SSTDP and its controls."""

from __future__ import annotations

from dataclasses import replace

from s3nn.config import Model, Optim, Run

SSTDP, AUTHORS, RELU = "sstdp", "sstdp as its authors train", "relu"
ROWS = (SSTDP, AUTHORS, RELU)


def with_row(run: Run, row: str) -> Run:
    """A recipe of SSTDP as the row called ``row``.

    The authors' network and training are those of their code, but for its epochs; relu is of the
    same size as SSTDP's and trained by back-propagation.
    """
    if row == SSTDP:
        return run
    if row == AUTHORS:
        first = "sstdp(threshold=100, start=39.2)"
        last = first.replace("39.2", "192")
        model = replace(run.model, neuron=first, output=last, width=1.0)  # 400 hidden neurons
        loss = "target_time(delta=5, form=first)"
        optim = Optim(lr=10.0, weight_decay=1e-6, momentum=0.0, warmup=0.0, loss=loss)
        return replace(run, model=model, optim=replace(optim, schedule="constant"))
    network = Model(name="mlp(hidden=1)", width=run.model.width, neuron="relu")
    return replace(run, model=network, optim=Optim(lr=0.05))
