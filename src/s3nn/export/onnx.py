"""The network of real numbers as ONNX, by torch's exporter."""

from __future__ import annotations

import logging
import warnings
from math import inf, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s3nn.errors import UnsupportedError
from s3nn.export.base import Exporter, Written, is_integer, needed
from s3nn.files import write_bytes
from s3nn.graph.ir import Array, Graph, Vertex
from s3nn.graph.nodes import (
    Add,
    Affine,
    Channels,
    Conv,
    Fire,
    Flatten,
    Image,
    Linear,
    MaxPool,
    MeanPool,
    Pool,
    SumPool,
)
from s3nn.graph.rewrite import bias_of, fire_before_pools, fold_affines
from s3nn.registry import name_of

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

__all__ = ["Onnx"]

OPSET = 18


class Onnx(Exporter):
    """``Conv`` or ``Gemm``, ``Greater`` than a threshold a channel, ``Cast``, ``MaxPool``.

    Input ``image``: raw pixels, uint8 (N, C, H, W); output ``logits``: float32 (N, classes).  N is
    free.  Batch-norm is in weights and bias; the parameters are rounded to float32.  Opset 18.

    >>> Onnx().suffix
    '.onnx'
    """

    suffix = ".onnx"

    def write(self, graph: Graph, path: Path) -> Written:
        import torch

        for package in ("onnx", "onnxscript"):
            needed(package)
        if is_integer(graph):
            raise UnsupportedError(
                "a graph of integers in ONNX of real numbers",
                "onnx",
                "take the format onnx_integer",
            )
        folded = fold_affines(fire_before_pools(graph))
        shape = graph.specs[graph.image.name].shape
        model = exported(
            torch_network(folded),
            torch.zeros((2, *shape), dtype=torch.uint8),
            dynamic=True,
        )
        return Written(write_bytes(path, model.SerializeToString()), folded, {})


def exported(network: nn.Module, example: Tensor, *, dynamic: bool) -> ModelProto:
    """A torch network of one input as ONNX, by the dynamo exporter.

    ``dynamic`` leaves the size of the batch free; else it is that of ``example``.
    """
    import torch

    # It warns of operators of torchvision that no network here has.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    options: dict[str, Any] = {}
    if dynamic:
        options = {
            "dynamic_shapes": ({0: torch.export.Dim("N")},),
            "input_names": ["image"],
            "output_names": ["logits"],
            "opset_version": OPSET,
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            *(network, (example,)), dynamo=True, external_data=False, verbose=False, **options
        )
    assert program is not None
    model: ModelProto = program.model_proto
    return model


def torch_network(graph: Graph) -> nn.Module:
    """The graph's operations in torch, float32, from raw pixels on; its constants are buffers.

    For other exporters of torch: ``torch.export.export(torch_network(graph), (pixels,))``.
    """
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number, vertex in enumerate(graph):
                for name, values in _constants(graph, vertex).items():
                    tensor = torch.from_numpy(np.ascontiguousarray(values))
                    self.register_buffer(f"v{number}_{name}", tensor)

        def forward(self, image: Tensor) -> Tensor:
            found: dict[str, Tensor] = {}
            for number, vertex in enumerate(graph):
                if vertex.name in found:
                    continue
                inputs = [found[name] for name in vertex.inputs] or [image]
                held = {
                    name: getattr(self, f"v{number}_{name}") for name in _constants(graph, vertex)
                }
                found[vertex.name] = _run(vertex, inputs, held)
                after = bias_of(graph, vertex)
                if after is not None:
                    found[after.name] = found[vertex.name]
            return found[graph.output.name]

    return Network().eval()


def _constants(graph: Graph, vertex: Vertex) -> dict[str, Array]:
    node, axes = vertex.node, len(graph.specs[vertex.name].shape) - 1
    ones = (1, -1, *[1] * axes)
    match node:
        case Conv() | Linear():
            found = {"weight": node.weight.astype(np.float32)}
            after = bias_of(graph, vertex)
            if after is not None and isinstance(after.node, Affine):
                found["bias"] = after.node.offset.astype(np.float32)
            return found
        case Affine():
            pair = {"scale": node.scale, "offset": node.offset}
            return {name: v.reshape(ones).astype(np.float32) for name, v in pair.items()}
        case Fire():
            return {"threshold": node.threshold.reshape(ones).astype(np.float32)}
        case MeanPool() | SumPool():
            sizes = node.sizes(graph.specs[vertex.inputs[0]].shape)
            share = prod(node.kernel) / (sizes if isinstance(node, MeanPool) else 1 + 0 * sizes)
            return {"share": share[None, None].astype(np.float32)}
        case Channels():
            return {"index": node.index.astype(np.int64)}
    return {}


def _around(node: Pool, x: Tensor) -> list[int]:
    """Left, right, above, below: as far as windows reach, which exporters count differently."""
    down, right = node.over((x.shape[1], x.shape[2], x.shape[3]))
    return [node.padding[1], right, node.padding[0], down]


def _run(vertex: Vertex, inputs: list[Tensor], held: dict[str, Tensor]) -> Tensor:
    from torch.nn import functional

    node, x = vertex.node, inputs[0]
    match node:
        case Image():
            return x.float()
        case Conv():
            bias = held.get("bias")
            return functional.conv2d(
                x, held["weight"], bias, node.stride, node.padding, groups=node.groups
            )
        case Linear():
            return functional.linear(x, held["weight"], held.get("bias"))
        case Affine():
            return x * held["scale"] + held["offset"]
        case Fire():
            return (x > held["threshold"]).float()
        case Add():
            return x + inputs[1]
        case Channels():
            return x.index_select(1, held["index"])
        case Flatten():
            return x.flatten(1)
        case MaxPool():
            around = _around(node, x)
            wide = functional.pad(x, around, value=-inf) if any(around) else x
            return functional.max_pool2d(wide, node.kernel, node.stride)
        case MeanPool() | SumPool():
            around = _around(node, x)
            wide = functional.pad(x, around) if any(around) else x
            # Not with divisor_override, which the exporter forgets.
            return functional.avg_pool2d(wide, node.kernel, node.stride) * held["share"]
    raise UnsupportedError(
        f"{name_of(node)} in ONNX",
        f"layer {vertex.name}",
        "build the layer from convolutions, linear layers, max and mean pools",
    )
