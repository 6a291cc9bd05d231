"""The true fan-out of a synapse's inputs, exactly."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3nn.errors import UnsupportedError


def fan_out(
    layer: nn.Module, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> Tensor:
    """How many (output position, output channel) pairs each input position reaches, int64.

    Shape (H, W) for a ``Conv2d`` reading (N, C, H, W), the same for every channel; () for a
    ``Linear``, whose inputs all reach ``out_features`` outputs.
    """
    if isinstance(layer, nn.Linear):
        return torch.tensor(layer.out_features)
    if not isinstance(layer, nn.Conv2d):
        raise UnsupportedError(
            f"counting a {type(layer).__name__}", "energy", "use Conv2d or Linear"
        )
    if layer.padding_mode != "zeros":
        raise UnsupportedError(
            f"padding_mode={layer.padding_mode!r}", "counting operations", "use zeros"
        )
    rows, columns = (
        _along(
            input_shape[2 + axis],
            output_shape[2 + axis],
            layer.kernel_size[axis],
            layer.stride[axis],
            _padding(layer, axis),
            layer.dilation[axis],
        )
        for axis in (0, 1)
    )
    return torch.outer(rows, columns) * (layer.out_channels // layer.groups)


def _padding(layer: nn.Conv2d, axis: int) -> int:
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
