"""The integer network as ONNX, in integers from pixels to logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s3nn.errors import UnsupportedError
from s3nn.export.base import Exporter, Written, is_integer, needed
from s3nn.files import write_bytes
from s3nn.graph.bounds import bounds
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
    Pool,
    RoundedMeanPool,
    SumPool,
)
from s3nn.registry import name_of

__all__ = ["OnnxInteger"]

OPSET, IR_VERSION = 18, 10
# The kernels for signed weights of CPUs without VNNI add two products in 16 bits.
SAFE_INPUT = 128
ZERO = 128  # the zero point of weights that are written unsigned, where inputs exceed that


class OnnxInteger(Exporter):
    """``ConvInteger``, ``MatMulInteger``, ``Greater`` than an integer threshold, ``MaxPool``.

    Input ``image``: raw pixels, uint8 (N, C, H, W); output ``logits``: int32 (N, classes), those of
    the integer graph bit for bit.  N is free.  Opset 18.

    Weights are 8 bits; those of a first layer that has up to 16 are two, w = 256 w_1 + w_0 with
    0 <= w_0 < 256, in two operations whose sums are added.  Padding with a pixel that is not 0
    is a ``Pad`` a channel.  Pools of potentials and of counts are sums and maxima of slices.

    >>> OnnxInteger().suffix
    '.onnx'
    """

    suffix = ".onnx"

    def write(self, graph: Graph, path: Path) -> Written:
        onnx = needed("onnx")
        if not is_integer(graph):
            raise UnsupportedError(
                "a graph of real numbers in integer ONNX",
                "onnx_integer",
                "quantise it, or take the format onnx",
            )
        model = _Builder(onnx, graph).model()
        return Written(write_bytes(path, model.SerializeToString()), graph, {})


class _Builder:
    """A walk along an integer graph that appends ONNX's nodes; counts and spikes are uint8."""

    def __init__(self, onnx: Any, graph: Graph) -> None:
        self.onnx, self.graph = onnx, graph
        self.most = bounds(graph)
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.value: dict[str, str] = {}  # vertex -> the tensor of its values
        self.small: dict[str, bool] = {}  # whether that is uint8, int32 otherwise
        self.made = 0

    def model(self) -> Any:
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        for vertex in self.graph:
            self._take(vertex)
        last = self.graph.output
        logits = self._wide(last.name)
        self.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        shape = self.graph.specs[last.name].shape
        image = self.graph.specs[self.graph.image.name].shape
        made = helper.make_graph(
            self.nodes,
            "s3nn",
            [helper.make_tensor_value_info("image", kinds.UINT8, ["N", *image])],
            [helper.make_tensor_value_info("logits", kinds.INT32, ["N", *shape])],
            [self.onnx.numpy_helper.from_array(v, name) for name, v in self.constants.items()],
        )
        model = helper.make_model(
            made,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="s3nn",
            doc_string=f"one unit of a logit stands for {self.graph.step:.9g}",
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model

    # The pieces that vertices are made of.

    def _name(self, hint: str) -> str:
        self.made += 1
        return f"{hint}:{self.made}"

    def _constant(self, values: Any, kind: Any, hint: str) -> str:
        name = self._name(hint)
        self.constants[name] = np.ascontiguousarray(values, kind)
        return name

    def _node(self, operation: str, inputs: Sequence[str], hint: str, **attributes: Any) -> str:
        name = self._name(hint)
        self.nodes.append(
            self.onnx.helper.make_node(operation, list(inputs), [name], name=name, **attributes)
        )
        return name

    def _wide(self, vertex: str) -> str:
        """A vertex's values as int32."""
        if not self.small[vertex]:
            return self.value[vertex]
        return self._node("Cast", [self.value[vertex]], vertex, to=self.onnx.TensorProto.INT32)

    def _narrow(self, vertex: Vertex) -> tuple[str, int]:
        """What a layer reads, as uint8, and the largest value of that."""
        before = vertex.inputs[0]
        bound = self.most[before]
        most = int(bound.magnitude)
        if self.small[before]:
            return self.value[before], most
        if most > 255 or bound.least.min() < 0:
            raise UnsupportedError(
                f"a layer that reads counts up to {most} in integer ONNX, whose inputs have 8 bits",
                f"layer {vertex.name}",
                "pool smaller windows, or export the real numbers",
            )
        return (
            self._node("Cast", [self.value[before]], before, to=self.onnx.TensorProto.UINT8),
            most,
        )

    def _per_channel(self, values: Array, vertex: Vertex) -> str:
        axes = len(self.graph.specs[vertex.name].shape) - 1
        return self._constant(values.reshape(1, -1, *[1] * axes), np.int32, vertex.name)

    # Vertices

    def _take(self, vertex: Vertex) -> None:
        name, node = vertex.name, vertex.node
        before = vertex.inputs[0] if vertex.inputs else ""
        self.small[name] = False
        match node:
            case Image():
                self.value[name], self.small[name] = "image", True
            case Conv() | Linear():
                self.value[name] = self._synapse(vertex, node)
            case Fire():
                theta = self._per_channel(node.threshold, vertex)
                over = self._node("Greater", [self._wide(before), theta], name)
                kind = self.onnx.TensorProto.UINT8
                self.value[name] = self._node("Cast", [over], name, to=kind)
                self.small[name] = True
            case Affine():
                scaled = self._wide(before)
                if np.any(node.scale != 1):
                    scale = self._per_channel(node.scale, vertex)
                    scaled = self._node("Mul", [scaled, scale], name)
                offset = self._per_channel(node.offset, vertex)
                self.value[name] = self._node("Add", [scaled, offset], name)
            case Add():
                self.value[name] = self._node("Add", [*map(self._wide, vertex.inputs)], name)
            case Channels():
                index = self._constant(node.index, np.int64, name)
                self.value[name] = self._node("Gather", [self.value[before], index], name, axis=1)
                self.small[name] = self.small[before]
            case Flatten():
                self.value[name] = self._node("Flatten", [self.value[before]], name, axis=1)
                self.small[name] = self.small[before]
            case MaxPool() if self.small[before]:
                self.value[name] = self._spike_pool(vertex, node)
                self.small[name] = True
            case MaxPool():
                least = int(np.iinfo(np.int32).min)
                self.value[name] = self._over_windows(vertex, node, "Max", least)
            case SumPool():
                total = self._over_windows(vertex, node, "Sum", 0)
                rounded = isinstance(node, RoundedMeanPool)
                self.value[name] = self._rounded(vertex, node, total) if rounded else total
            case _:
                raise UnsupportedError(
                    f"{name_of(node)} in integer ONNX",
                    f"layer {name}",
                    "export the real numbers",
                )

    def _synapse(self, vertex: Vertex, node: Conv | Linear) -> str:
        x, most = self._narrow(vertex)
        attributes: dict[str, Any] = {}
        weight = node.weight.astype(np.int64)
        if isinstance(node, Conv):
            (down, right), padding = node.padding, True
            if node.fill is not None and np.any(node.fill):
                x, padding = self._filled(vertex, node, x), False
            attributes = {
                "strides": list(node.stride),
                "group": node.groups,
                "kernel_shape": list(node.kernel),
                "pads": [down, right, down, right] if padding else [0, 0, 0, 0],
            }
        else:
            weight = weight.T
        operation = "ConvInteger" if isinstance(node, Conv) else "MatMulInteger"
        layer = (operation, x, vertex.name, attributes)
        if np.abs(weight).max(initial=0) < 128:
            if most <= SAFE_INPUT:
                return self._products(*layer, weight.astype(np.int8))
            return self._products(*layer, (weight + ZERO).astype(np.uint8), ZERO)
        low, high = weight & 255, weight >> 8
        sums = self._products(*layer, low.astype(np.uint8), 0)
        above = self._products(*layer, (high + ZERO).astype(np.uint8), ZERO)
        shift = self._constant(256, np.int32, vertex.name)
        shifted = self._node("Mul", [above, shift], vertex.name)
        return self._node("Add", [sums, shifted], vertex.name)

    def _products(
        self,
        operation: str,
        x: str,
        name: str,
        attributes: dict[str, Any],
        weight: Array,
        zero: int | None = None,
    ) -> str:
        """The layer's operation with 8-bit weights, from which ``zero`` is subtracted."""
        inputs = [x, self._constant(weight, weight.dtype, name)]
        if zero is not None:
            inputs += [self._constant(value, np.uint8, name) for value in (0, zero)]
        return self._node(operation, inputs, name, **attributes)

    def _filled(self, vertex: Vertex, node: Conv, x: str) -> str:
        """The image with a border of ``fill``, a channel at a time: ``Pad`` takes one value."""
        assert node.fill is not None
        down, right = node.padding
        around = self._constant([0, 0, down, right, 0, 0, down, right], np.int64, vertex.name)
        parts = []
        for channel, value in enumerate(node.fill):
            one = x
            if len(node.fill) > 1:
                place = [[channel], [channel + 1], [1]]  # from, to, of the axis of channels
                ends = [self._constant(v, np.int64, vertex.name) for v in place]
                one = self._node("Slice", [x, *ends], vertex.name)
            pixel = self._constant(value, np.uint8, vertex.name)
            parts.append(self._node("Pad", [one, around, pixel], vertex.name))
        if len(parts) == 1:
            return parts[0]
        return self._node("Concat", parts, vertex.name, axis=1)

    def _spike_pool(self, vertex: Vertex, node: Pool) -> str:
        """Padded as far as windows reach; ONNX's ``ceil_mode`` counts some that torch does not."""
        over = node.over(self.graph.specs[vertex.inputs[0]].shape)
        return self._node(
            "MaxPool",
            [self.value[vertex.inputs[0]]],
            vertex.name,
            kernel_shape=list(node.kernel),
            strides=list(node.stride),
            pads=[*node.padding, *over],
        )

    def _over_windows(self, vertex: Vertex, node: Pool, operation: str, fill: int) -> str:
        """``Max`` or ``Sum`` over windows, as one of slices, the image surrounded by ``fill``."""
        name, shape = vertex.name, self.graph.specs[vertex.inputs[0]].shape
        x, sides, over = self._wide(vertex.inputs[0]), node.sides(shape), node.over(shape)
        if any(node.padding) or any(over):
            around = self._constant([0, 0, *node.padding, 0, 0, *over], np.int64, name)
            x = self._node("Pad", [x, around, self._constant(fill, np.int32, name)], name)
        axes, step = (self._constant(v, np.int64, name) for v in ([2, 3], node.stride))
        found = ""
        for row in range(node.kernel[0]):
            for column in range(node.kernel[1]):
                start = [row, column]
                end = [start[a] + (sides[a] - 1) * node.stride[a] + 1 for a in (0, 1)]
                ends = [self._constant(v, np.int64, name) for v in (start, end)]
                part = self._node("Slice", [x, *ends, axes, step], name)
                combine = "Max" if operation == "Max" else "Add"
                found = self._node(combine, [found, part], name) if found else part
        return found

    def _rounded(self, vertex: Vertex, node: Pool, total: str) -> str:
        """floor((2 sum + n) / 2n); ONNX's ``Div`` rounds to zero, ``Mod`` goes with the divisor."""
        name = vertex.name
        sizes = node.sizes(self.graph.specs[vertex.inputs[0]].shape)
        two = self._constant(2, np.int32, name)
        size, twice = (self._constant(v[None, None], np.int32, name) for v in (sizes, 2 * sizes))
        above = self._node("Add", [self._node("Mul", [total, two], name), size], name)
        rest = self._node("Mod", [above, twice], name)
        return self._node("Div", [self._node("Sub", [above, rest], name), twice], name)
