"""The parts of a NIR file, each checked before it is used."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np

from s3nn.errors import UnsupportedError, UsageError
from s3nn.export._h5 import Tree
from s3nn.graph.ir import Array

LARGEST_SIDE, LARGEST_NETWORK = 2**14, 10_000


class NirFile:
    """The nodes of a network and what leads to each; what is wrong is an error that names it."""

    def __init__(self, path: Path, tree: Tree) -> None:
        self.path = path
        whole = tree.get("node")
        if not isinstance(whole, dict) or _text(whole, "type") != "NIRGraph":
            raise self.wrong("it holds no NIRGraph")
        self.nodes = self._nodes(whole)
        self.edges = self._edges(whole)
        metadata = whole.get("metadata")
        self.input_text = _text(metadata, "input") if isinstance(metadata, dict) else None

    # What is wrong, in one sentence each.

    def wrong(self, reason: str) -> UsageError:
        return UsageError(f"{self.path} is not a NIR network that can be read: {reason}")

    def at(self, name: str, reason: str) -> UsageError:
        return self.wrong(f"node {name[:60]!r} {reason}")

    def cannot(self, what: str, name: str, instead: str) -> UnsupportedError:
        return UnsupportedError(what, f"node {name[:60]!r} of {self.path}", instead)

    # The file's parts, checked.

    def _nodes(self, whole: Tree) -> dict[str, Tree]:
        nodes = whole.get("nodes")
        if not isinstance(nodes, dict) or not nodes:
            raise self.wrong("it has no nodes")
        if len(nodes) > LARGEST_NETWORK:
            raise self.wrong(f"it has {len(nodes)} nodes, more than {LARGEST_NETWORK}")
        found: dict[str, Tree] = {}
        for name, node in nodes.items():
            if not isinstance(node, dict) or not isinstance(node.get("type"), str):
                raise self.at(name, "says nothing of its type")
            found[name] = node
        return found

    def _edges(self, whole: Tree) -> list[tuple[str, str]]:
        edges = whole.get("edges")
        if not isinstance(edges, np.ndarray) or edges.ndim != 2 or edges.shape[1] != 2:
            raise self.wrong("its edges are no list of pairs")
        found = [(str(a), str(b)) for a, b in edges.tolist()]
        if len(set(found)) != len(found):
            raise self.wrong("an edge is there twice")
        for name in (name for pair in found for name in pair):
            if name not in self.nodes:
                raise self.wrong(f"an edge leads to {name[:60]!r}, which is no node")
        return found

    def only(self, kind: str) -> str:
        """The name of the one node of a type."""
        names = [name for name, node in self.nodes.items() if node["type"] == kind]
        if len(names) != 1:
            raise self.wrong(f"it has {len(names)} nodes of the type {kind}, not one")
        return names[0]

    def order(self, output: str) -> dict[str, list[str]]:
        """What each node reads that leads to the output, each behind those that it reads."""
        before: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            before[target].append(source)
        wanted, left = {output}, [output]
        while left:
            for name in before[left.pop()]:
                if name not in wanted:
                    wanted.add(name)
                    left.append(name)
        read = {name: before[name] for name in wanted}
        try:
            return {name: read[name] for name in TopologicalSorter(read).static_order()}
        except CycleError as error:
            raise self.cannot(
                "a network with a cycle (recurrent)",
                str(error.args[1][0]),
                "take a feed-forward one",
            ) from None

    def array(self, name: str, key: str, axes: int | None = None) -> Array:
        """A node's numbers, finite, one at least, in so many axes."""
        values = self.nodes[name].get(key)
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
            raise self.at(name, f"has no numbers called {key!r}")
        if axes is not None and values.ndim != axes:
            raise self.at(name, f"has {key!r} of the shape {values.shape}, not of {axes} axes")
        found: Array = values.astype(np.float64)
        if not values.size or not np.isfinite(found).all():
            raise self.at(name, f"has {key!r} without a value, or with one that is not finite")
        return found

    def whole(self, name: str, key: str, most: int = LARGEST_SIDE) -> list[int]:
        """Whole numbers from 0 to ``most``."""
        values = self.array(name, key).reshape(-1)
        if len(values) > 8 or (values != np.rint(values)).any() or values.min() < 0:
            raise self.at(name, f"has {key!r} that are no whole numbers from 0 on")
        if values.max() > most:
            raise self.at(name, f"has {key!r} of {values.max():.0f}, more than {most}")
        return [int(v) for v in values]

    def pair(self, name: str, key: str, least: int = 0) -> tuple[int, int]:
        """Two whole numbers from ``least`` on; one stands for both."""
        values = self.whole(name, key)
        values = values * 2 if len(values) == 1 else values
        if len(values) != 2 or min(values) < least:
            raise self.at(name, f"has {key!r} of {values}, not two numbers from {least} on")
        return values[0], values[1]


def _text(tree: Tree, key: str) -> str | None:
    """A piece of text; arrays, which do not compare to one truth, are none."""
    found = tree.get(key)
    return found if isinstance(found, str) else None
