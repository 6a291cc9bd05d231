"""What every format has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from s3nn.errors import UsageError
from s3nn.graph.ir import Array, Graph
from s3nn.graph.nodes import Fire


@dataclass(frozen=True)
class Written:
    """A file, the graph that it holds, and what that graph's spikes are called in it.

    ``spiking`` maps the vertices of ``graph`` that fire, neurons and ORs of their spikes, to the
    names of the file's nodes; empty where a format has no names for them.
    """

    path: Path
    graph: Graph
    spiking: Mapping[str, str]


@dataclass(frozen=True)
class Pixels:
    """What the input of a file is made of: pixels 0..255 as they are, or (x / 255 - mean) / std.

    ``shape`` is that of the images, for files whose input is flat.  ``raw`` None: raw if the file
    says so.
    """

    shape: tuple[int, ...] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    raw: bool | None = None


class Exporter(ABC):
    """A format: ``write`` puts a graph into one file, whole or not at all."""

    suffix: str

    @abstractmethod
    def write(self, graph: Graph, path: Path) -> Written:
        """Write ``graph``, of real numbers or of integers as the format says.

        What the format cannot carry is an ``UnsupportedError``, and no file is there then.
        """


def needed(package: str, extra: str = "export") -> ModuleType:
    """A package of an extra; where it is missing, a ``UsageError`` says what brings it."""
    try:
        return import_module(package)
    except Exception as error:  # a broken library raises more than ImportError
        raise UsageError(
            f"this needs the package {package}, which does not import ({error}): "
            f"pip install 's3nn[{extra}]'"
        ) from error


def is_integer(graph: Graph) -> bool:
    """Whether ``graph`` is one of integers, as quantised, and not one of real numbers."""
    thresholds = [v.node.threshold.dtype for v in graph if isinstance(v.node, Fire)]
    return bool(thresholds) and all(np.issubdtype(kind, np.integer) for kind in thresholds)


def ties(graph: Graph, images: Array, batch: int = 100) -> dict[str, int]:
    """How many potentials of each layer equal their threshold, over raw images (N, C, H, W).

    There runtimes differ: this library and NIR's definition let a neuron fire where u > theta,
    others where u >= theta.
    """
    neurons = {v.name: v for v in graph if isinstance(v.node, Fire)}
    found = dict.fromkeys(neurons, 0)
    for start in range(0, len(images), batch):
        wanted = {v.inputs[0] for v in neurons.values()}
        values = {
            v.name: u for v, u in graph.values(images[start : start + batch]) if v.name in wanted
        }
        for name, vertex in neurons.items():
            u, node = values[vertex.inputs[0]], vertex.node
            assert isinstance(node, Fire)
            theta = node.threshold.reshape(1, -1, *[1] * (u.ndim - 2))
            found[name] += int((u == theta).sum())
    return found
