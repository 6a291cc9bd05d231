"""The true fan-out of a synapse's inputs, and what pools read, exactly."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from s3nn.errors import UnsupportedError

Shape = tuple[int, ...]


def fan_out(layer: nn.Module, input_shape: Shape, output_shape: Shape) -> Tensor:
    """How many (output position, output channel) pairs each input position reaches, int64.

    Shape (H, W) for a ``Conv2d`` reading (N, C, H, W), the same for every channel, and with as many
    axes as the kernel has for the others; () for a ``Linear``, whose inputs all reach
    ``out_features`` outputs.
    """
    if isinstance(layer, nn.Linear):
        return torch.tensor(layer.out_features)
    if not isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        raise UnsupportedError(
            f"counting a {type(layer).__name__}", "energy", "use a convolution or a Linear"
        )
    if layer.padding_mode != "zeros":
        raise UnsupportedError(
            f"padding_mode={layer.padding_mode!r}", "counting operations", "use zeros"
        )
    reached = torch.tensor(layer.out_channels // layer.groups)
    for axis in range(len(layer.kernel_size)):
        along = _along(
            input_shape[2 + axis],
            output_shape[2 + axis],
            layer.kernel_size[axis],
            layer.stride[axis],
            _padding(layer, axis),
            layer.dilation[axis],
        )
        reached = reached[..., None] * along
    return reached


def _padding(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, axis: int) -> int:
    """The zeros in front of the first input along an axis."""
    if layer.padding == "same":
        return layer.dilation[axis] * (layer.kernel_size[axis] - 1) // 2
    if layer.padding == "valid":
        return 0
    return int(layer.padding[axis])


def _along(
    inputs: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int
) -> Tensor:
    """For each input position along one axis, the (output, tap) pairs that read it."""
    reads = torch.zeros(inputs, dtype=torch.int64)
    starts = torch.arange(outputs) * stride - padding
    for tap in range(kernel):
        places = starts + tap * dilation
        inside = places[(places >= 0) & (places < inputs)]
        reads.index_add_(0, inside, torch.ones_like(inside))
    return reads


def pool_reads(
    input_shape: Shape, output_shape: Shape, kernel: Shape, stride: Shape, padding: Shape
) -> int:
    """How many values the windows of a pool read, each value once a window; padding is no value."""
    axes = len(kernel)
    sides = zip(input_shape[-axes:], output_shape[-axes:], kernel, stride, padding, strict=True)
    windows = prod(int(_along(*side, dilation=1).sum()) for side in sides)
    return windows * prod(input_shape[:-axes])


def adaptive_pool_reads(input_shape: Shape, output_shape: Shape, axes: int) -> int:
    """``pool_reads`` of an adaptive pool: window i goes from floor(i I/O) to ceil((i+1) I/O)."""
    sides = zip(input_shape[-axes:], output_shape[-axes:], strict=True)
    windows = prod(sum(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in sides)
    return windows * prod(input_shape[:-axes])
