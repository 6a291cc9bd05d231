"""The same network, its operations in another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from s3nn.graph.forms import Form, on_pixels
from s3nn.graph.ir import Edge, Graph, Vertex
from s3nn.graph.levels import by_channel
from s3nn.graph.nodes import Affine, Conv, Fire, Flatten, Linear, MaxPool


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
    return Graph(tuple(moved), graph.step)


def fold_affines(graph: Graph) -> Graph:
    """The same network, every batch-norm in the weight in front of it and a bias behind that.

    Affine nodes that only add are left: ``Affine(1, bias)``.  The normalisation of the image goes
    into the first layer where that pads with nothing; a border of zeros is one of normalised zeros,
    so that otherwise it stays an operation of its own.
    """
    return _fold_norms(_fold_normalisation(graph))


def bias_of(graph: Graph, vertex: Vertex) -> Vertex | None:
    """The vertex that only adds a bias to a layer, ``Affine(1, bias)``, and alone reads it."""
    users = graph.users[vertex.name]
    if isinstance(vertex.node, (Conv, Linear)) and len(users) == 1:
        node = users[0].node
        if isinstance(node, Affine) and not np.any(node.scale != 1):
            return users[0]
    return None


def _fold_norms(graph: Graph) -> Graph:
    changed: dict[str, Vertex] = {}
    for vertex in graph:
        before = graph[vertex.inputs[0]] if vertex.inputs else None
        if (
            isinstance(vertex.node, Affine)
            and before is not None
            and isinstance(before.node, (Conv, Linear))
            and len(graph.users[before.name]) == 1
        ):
            scale = vertex.node.scale
            weight = before.node.weight * by_channel(scale, before.node.weight)
            node = replace(before.node, weight=weight, grid=None)
            changed[before.name] = replace(before, node=node)
            bias = Affine(np.ones_like(scale), vertex.node.offset)
            changed[vertex.name] = replace(vertex, node=bias)
    return Graph(tuple(changed.get(v.name, v) for v in graph), graph.step)


def _fold_normalisation(graph: Graph) -> Graph:
    """w (scale x + offset) is (w scale) x and a constant; a flattened image is one all the same."""
    norm = graph.vertices[1] if len(graph) > 1 else graph.image
    users = graph.users[norm.name]
    if not isinstance(norm.node, Affine) or norm.inputs != (graph.image.name,) or len(users) != 1:
        return graph
    form = Form(norm.node.scale, norm.node.offset)
    first = users[0]
    if isinstance(first.node, Flatten) and len(graph.users[first.name]) == 1:
        pixels = int(np.prod(graph.specs[norm.name].shape[1:]))
        form = form.each(np.repeat(np.arange(len(form.scale)), pixels))
        first = graph.users[first.name][0]
    borderless = isinstance(first.node, Conv) and (
        not any(first.node.padding) or not np.any(form.offset)
    )
    if not (borderless or isinstance(first.node, Linear)):
        return graph
    assert isinstance(first.node, (Conv, Linear))
    weight, constant, _ = on_pixels(first.node, form)
    bias = Affine(np.ones_like(constant), constant)
    follower = graph.users[first.name][0] if len(graph.users[first.name]) == 1 else None
    vertices: list[Vertex] = []
    source = {norm.name: graph.image.name}
    for vertex in graph:
        if vertex.name == norm.name:
            continue
        moved = replace(vertex, inputs=tuple(source.get(n, n) for n in vertex.inputs))
        if vertex.name == first.name:
            moved = replace(moved, node=replace(first.node, weight=weight, grid=None))
            joined = follower is not None and isinstance(follower.node, Affine)
            if not joined and np.any(constant):  # nothing there to take the constant
                name = f"{vertex.name}.constant"
                vertices += [moved, Vertex(name, bias, (vertex.name,))]
                source[vertex.name] = name
                continue
        elif (
            follower is not None
            and vertex.name == follower.name
            and isinstance(follower.node, Affine)
        ):
            moved = replace(moved, node=follower.node.after(bias))
        vertices.append(moved)
    return Graph(tuple(vertices), graph.step)
