"""A trained run as a file that other people's tools read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s3nn.experiment.compiled import BITS, CALIBRATION
from s3nn.experiment.trained import Trained
from s3nn.export import Written, make_exporter
from s3nn.export.base import ties
from s3nn.graph.ir import Graph
from s3nn.graph.lower import lower
from s3nn.graph.nodes import Fire
from s3nn.graph.quantise import LARGEST_SUM, quantised
from s3nn.graph.rewrite import fire_before_pools

# Sums that float32 holds exactly, with room for a threshold as large.
LARGEST_FLOAT_SUM = 2.0**22


@dataclass(frozen=True)
class Exported:
    """What was written, and the ties in it.

    ``ties`` of ``potentials`` equal their threshold, over the images that the run is calibrated
    with; of integers they are no ties in the file, whose thresholds lie between integers.
    """

    written: Written
    ties: int
    potentials: int


def real_graph(trained: Trained) -> Graph:
    """The run's graph of real numbers, neurons in front of pools."""
    trained.steps_once("a graph")
    return fire_before_pools(lower(trained.network, trained.shape, trained.mean, trained.std))


def integer_graph(trained: Trained, bits: int = BITS, *, in_floats: bool = False) -> Graph:
    """The run's integer graph, as it is compiled.

    ``in_floats`` keeps the sums of the first layer where float32 holds them exactly: its weights
    have 12 or 8 bits then in place of 16.
    """
    trained.steps_once("a graph")
    graph = lower(trained.network, trained.shape, trained.mean, trained.std)
    images = trained.data().train.first(CALIBRATION).numpy()
    largest = LARGEST_FLOAT_SUM if in_floats else LARGEST_SUM
    return quantised(graph, bits, images, largest).integer


def export_run(
    trained: Trained,
    path: Path,
    *,
    to: str = "nir",
    dialect: str = "threshold",
    integer: bool = False,
    bits: int = BITS,
) -> Exported:
    """Write a run as ``to``, ``nir`` in one of its dialects or ``onnx``, replacing what is there.

    ``integer`` exports the network of integers, hidden weights of ``bits`` bits; ``onnx`` is then
    that of ``s3nn compile`` bit for bit.
    """
    trained.classifies("export")
    if to == "nir":
        exporter = make_exporter("nir", dialect=dialect)
    else:
        exporter = make_exporter(f"{to}_integer" if integer else to)
    graph = integer_graph(trained, bits, in_floats=to == "nir") if integer else real_graph(trained)
    images = trained.data().train.first(CALIBRATION).numpy()
    found = ties(graph, images)
    sizes = [np.prod(graph.specs[v.name].shape) for v in graph if isinstance(v.node, Fire)]
    written = exporter.write(graph, path)
    return Exported(written, sum(found.values()), int(sum(sizes)) * len(images))
