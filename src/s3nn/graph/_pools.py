"""What pools of torch, modules and functions, are in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx, nn

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Node
from s3nn.graph.nodes import Flatten, MeanPool
from s3nn.graph.trace import Site, called


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def sides_read(node: fx.Node) -> tuple[int, ...]:
    """The shape (N, ...) of what a node reads."""
    return tuple(node.all_input_nodes[0].meta["tensor_meta"].shape)


def _adaptive(node: fx.Node, site: Site) -> tuple[Any, ...]:
    """An adaptive pool as a plain one, where the sides divide."""
    before, after = sides_read(node)[2:], tuple(node.meta["tensor_meta"].shape)[2:]
    if len(before) != 2 or any(b % a for b, a in zip(before, after, strict=True)):
        raise UnsupportedError(
            f"lowering an adaptive pool from {before} to {after}",
            f"layer {site.name}",
            "pool to sides that divide the image's",
        )
    kernel = (before[0] // after[0], before[1] // after[1])
    return kernel, kernel


def _option(node: fx.Node, position: int, name: str, default: Any) -> Any:
    return node.kwargs.get(name, node.args[position] if len(node.args) > position else default)


def window(node: fx.Node, site: Site, module: nn.Module | None) -> tuple[Any, ...]:
    """kernel, stride, padding, ceil of a pool, module or function."""
    if "adaptive" in (type(module).__name__ if module is not None else called(node)).lower():
        return _adaptive(node, site)
    if module is not None:
        kernel, stride, padding, ceil = (
            getattr(module, name) for name in ("kernel_size", "stride", "padding", "ceil_mode")
        )
        dilation = getattr(module, "dilation", 1)
    else:
        kernel, stride = _option(node, 1, "kernel_size", 2), _option(node, 2, "stride", None)
        padding = _option(node, 3, "padding", 0)
        mean = site.operation == "avg_pool"
        ceil = _option(node, 4 if mean else 5, "ceil_mode", False)
        dilation = 1 if mean else _option(node, 4, "dilation", 1)
    if len(sides_read(node)) != 4 or _pair(dilation) != (1, 1):
        raise UnsupportedError(
            "lowering a dilated pool, or one in one or three dimensions",
            f"layer {site.name}",
            "pool images with dilation=1",
        )
    return _pair(kernel), _pair(stride or kernel), _pair(padding), bool(ceil)


def mean_pool(node: fx.Node, site: Site, module: nn.Module | None) -> list[tuple[str, Node]]:
    """A mean, of windows or of whole images, as nodes with suffixes for their names."""
    if module is None and called(node) in ("mean", "sum"):
        return _mean_of_all(node, site)
    found = window(node, site, module)
    padded = len(found) > 2 and found[2] != (0, 0)
    divisor = (
        getattr(module, "divisor_override", None)
        if module is not None or "adaptive" in called(node)
        else _option(node, 6, "divisor_override", None)
    )
    if padded or divisor is not None:
        raise UnsupportedError(
            "lowering a mean pool with padding or a divisor of its own",
            f"layer {site.name}",
            "use padding=0 and divisor_override=None",
        )
    return [("", MeanPool(*found))]


def _mean_of_all(node: fx.Node, site: Site) -> list[tuple[str, Node]]:
    """``x.mean((2, 3))``, with or without keeping the axes."""
    before, after = sides_read(node), tuple(node.meta["tensor_meta"].shape)
    axes = _option(node, 1, "dim", ())
    axes = {int(axis) % len(before) for axis in (axes if isinstance(axes, Sequence) else (axes,))}
    if called(node) == "sum" or len(before) != 4 or axes != {2, 3}:
        raise UnsupportedError(
            f"lowering a sum, or a mean from {before} to {after}",
            f"layer {site.name}",
            "take the mean over height and width, or nn.AdaptiveAvgPool2d(1)",
        )
    sides = (before[2], before[3])
    parts: list[tuple[str, Node]] = [("", MeanPool(sides, sides))]
    return parts if len(after) == 4 else [("pool", parts[0][1]), ("", Flatten())]
