"""The shapes of what a traced network computes, and whether a graph can say what it reads."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.trace import Traced


class _Shapes(ShapeProp):
    """Notes tensors' shapes as torch.fx does, and what is computed from them: ``x.size(0)``.

    A tensor that was written over, by another name than its own or through a view, since the
    operation that gave it is an ``UnsupportedError`` where it is read: the graph would read it as
    it was.
    """

    def run_node(self, n: fx.Node) -> Any:
        for source in n.all_input_nodes:
            if source.meta.get("version") != _version(self.env[source]):
                raise UnsupportedError(
                    f"lowering what reads {source.name} after it was written over",
                    f"layer {n.name}",
                    "write y = y + x, or y[:, :8] as a tensor of its own, in place of y += x",
                )
        found = super().run_node(n)
        if not isinstance(found, Tensor):
            n.meta["size"] = found
        n.meta["version"] = _version(found)
        return found


def _version(value: Any) -> int | None:
    """How often a tensor's memory, which views share, has been written to."""
    counted = isinstance(value, Tensor) and not value.is_inference()
    return value._version if counted else None


def note_shapes(found: Traced, model: nn.Module, shape: tuple[int, ...]) -> None:
    """Run an image through a traced network, for the shapes of all that it computes."""
    like = next(model.parameters(), torch.zeros(0))
    probe = torch.zeros(1, *shape, dtype=like.dtype)
    try:
        with redirect_stderr(io.StringIO()):  # torch.fx prints a traceback of what it raises
            shapes = _Shapes(found.graph_module)
            shapes.extra_traceback = False  # it would be part of our own sentences
            shapes.propagate(probe)
    except UnsupportedError:
        raise
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} does not take images {shape}: {error.__cause__ or error}"
        ) from error
