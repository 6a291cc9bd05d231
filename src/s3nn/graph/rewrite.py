"""The same network, its operations in another order."""

from __future__ import annotations

from dataclasses import replace

from s3nn.graph.ir import Edge, Graph, Vertex
from s3nn.graph.nodes import Fire, MaxPool


def fire_before_pools(graph: Graph) -> Graph:
    """The same network with every max-pool that only neurons read behind those neurons.

    The largest of a window exceeds a threshold exactly where one of its pixels does.
    """
    moved: list[Vertex] = []
    renamed: dict[str, str] = {}
    pools = {
        v.name: v
        for v in graph
        if isinstance(v.node, MaxPool)
        and graph.specs[v.name].edge is Edge.ANALOG
        and len(graph.users[v.name]) == 1
        and isinstance(graph.users[v.name][0].node, Fire)
    }
    for vertex in graph:
        if vertex.name in pools:
            continue
        pool = pools.get(vertex.inputs[0]) if vertex.inputs else None
        if pool is None:
            moved.append(replace(vertex, inputs=tuple(renamed.get(n, n) for n in vertex.inputs)))
            continue
        moved.append(replace(vertex, inputs=tuple(renamed.get(n, n) for n in pool.inputs)))
        moved.append(Vertex(pool.name, pool.node, (vertex.name,)))
        renamed[vertex.name] = pool.name
    return Graph(tuple(moved))
