"""The rows of a comparison: names for what changes between a network and its twins."""

from __future__ import annotations

import re
from dataclasses import replace

from s3nn.config import Budget, Gates, Penalty, Run, Teacher
from s3nn.errors import UsageError, unknown_name
from s3nn.registry import Spec

DEFAULT_ROWS = ("relu", "s3nn", "s3nn-int4", "bnn", "lif-t4")
EXAMPLES = (*DEFAULT_ROWS, "s3nn-int8", "s3nn-int2", "relu-int8", "lif-t2", "lif-t8", "timing-t4")

_PATTERN = re.compile(
    r"(?P<neuron>relu|s3nn|bnn|lif|timing)(?:-int(?P<bits>\d+))?(?:-t(?P<steps>\d+))?"
)
_SPIKING = ("s3nn", "lif")
_NEURONS = {"relu": "relu", "bnn": "sign", "lif": "lif", "timing": "timing"}


def with_row(run: Run, row: str) -> Run:
    """``run`` as the row called ``row``: the same architecture, data, recipe and seed.

    relu            full precision
    s3nn            the recipe's own neuron, one step, real weights; fire, where the recipe's is
                    that of another row
    s3nn-int4       the same with trained 4-bit weights (any row takes -intK)
    bnn             sign neurons, binary weights
    lif-t4          leaky integrate-and-fire over 4 steps (any T; with the encoder "frames", any
                    that divides the recorded frames)
    timing-t4       TSSL-BP's neuron over 4 steps

    A recipe's neuron keeps its options in its own row.

    Penalty, budget and gates are for the rows whose neurons spike.  The binary network has no
    teacher: with one it diverged where the others learned (docs/LOG.md).

    >>> with_row(Run(), "lif-t4").model.steps, with_row(Run(), "s3nn-int4").model.synapse
    (4, 'integer(bits=4)')
    """
    match = _PATTERN.fullmatch(row)
    if match is None:
        raise unknown_name("row", row, EXAMPLES)
    kind, bits, steps = match["neuron"], match["bits"], match["steps"]
    temporal = kind in ("lif", "timing")
    if temporal and steps is None:
        raise UsageError(f"row {row!r} needs its time steps: write {row}-t4 for four of them")
    if steps is not None and not temporal:
        raise UsageError(f"row {row!r}: {kind} has one step; only lif and timing take -tN")
    if kind == "bnn" and bits is not None:
        raise UsageError(f"row {row!r}: a binary network has one-bit weights; leave out -int{bits}")
    synapse = "binary" if kind == "bnn" else f"integer(bits={bits})" if bits else "real"
    run = replace(
        run,
        penalty=run.penalty if kind in _SPIKING else Penalty(),
        budget=run.budget if kind in _SPIKING else Budget(),
        gates=run.gates if kind in _SPIKING else Gates(),
        teacher=Teacher() if kind == "bnn" else run.teacher,
    )
    return run.with_model(
        neuron=_neuron(run.model.neuron, kind), synapse=synapse, steps=int(steps or 1)
    ).check()


def _neuron(own: str, kind: str) -> str:
    """The neuron of a row of ``kind``, ``own`` being the recipe's."""
    name = Spec.parse(own).name
    if kind in _NEURONS:
        return own if name == _NEURONS[kind] else _NEURONS[kind]
    return "fire" if name in _NEURONS.values() else own


def row_of(run: Run) -> str:
    """The row that ``run`` is, or the closest name for a network of the user's own making.

    >>> row_of(with_row(Run(), "lif-t4")), row_of(with_row(Run(), "s3nn-int4"))
    ('lif-t4', 's3nn-int4')
    """
    neuron, synapse = Spec.parse(run.model.neuron), Spec.parse(run.model.synapse)
    families = {parts: family for family, parts in _NEURONS.items()} | {"fire": "s3nn"}
    name = families.get(neuron.name, neuron.name)
    if synapse.name == "integer":
        name += f"-int{synapse.options.get('bits', 4)}"
    elif (synapse.name == "binary") != (name == "bnn"):
        name += f"-{synapse.name}"
    return f"{name}-t{run.model.steps}" if run.model.steps > 1 else name
