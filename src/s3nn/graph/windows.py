"""Convolutions and pools in numpy, exact for integers."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from s3nn.graph.ir import Array

Pair = tuple[int, int]


def padded(x: Array, padding: Pair, fill: Array | float) -> Array:
    """``x`` (N, C, H, W) with a border of ``fill``, a number or one a channel."""
    (down, right), (n, c, h, w) = padding, x.shape
    if not (down or right):
        return x
    out = np.empty((n, c, h + 2 * down, w + 2 * right), x.dtype)
    out[:] = np.asarray(fill, x.dtype).reshape(1, -1, 1, 1)
    out[:, :, down : down + h, right : right + w] = x
    return out


def windows(x: Array, kernel: Pair, stride: Pair) -> Array:
    """Views (N, C, H', W', kh, kw) of all windows that fit."""
    found = sliding_window_view(x, kernel, axis=(2, 3))
    return found[:, :, :: stride[0], :: stride[1]]


def pooled_side(side: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Windows along an axis, as torch counts them."""
    span = side + 2 * padding - kernel
    count = (-(-span // stride) if ceil else span // stride) + 1
    # A window that starts behind the image and its left border is left out.
    if ceil and (count - 1) * stride >= side + padding:
        count -= 1
    return count


def pool_windows(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, ceil: bool, fill: Array | float
) -> Array:
    """Windows of ``x`` with ``fill`` outside, those that hang over its end included if ``ceil``."""
    sides = [
        pooled_side(x.shape[axis + 2], kernel[axis], stride[axis], padding[axis], ceil)
        for axis in (0, 1)
    ]
    wide = padded(x, padding, fill)
    over = [
        max(0, (sides[axis] - 1) * stride[axis] + kernel[axis] - wide.shape[axis + 2])
        for axis in (0, 1)
    ]
    if any(over):
        wide = np.pad(wide, ((0, 0), (0, 0), (0, over[0]), (0, over[1])), constant_values=fill)
    return windows(wide, kernel, stride)[:, :, : sides[0], : sides[1]]


def matmul(a: Array, b: Array) -> Array:
    """``a @ b``; of integers exactly, in floating point where that is exact and faster.

    Products of integers whose sums stay under 2^24 (2^53) are exact in float32 (float64), in
    whatever order they are added.
    """
    if not np.issubdtype(b.dtype, np.integer):
        return a.astype(b.dtype, copy=False) @ b
    # Not np.abs of integers: the least one of a type has no positive counterpart in it.
    largest = max(-int(a.min(initial=0)), int(a.max(initial=0)))
    most = largest * float(np.abs(b.astype(np.float64)).sum(axis=-2).max(initial=0))
    if most >= 2**53:
        return a.astype(object) @ b.astype(object)
    kind = np.float32 if most < 2**24 else np.float64
    return (a.astype(kind) @ b.astype(kind)).astype(np.int64)


def convolve(
    x: Array, weight: Array, stride: Pair, padding: Pair, groups: int, fill: Array | float
) -> Array:
    """Cross-correlation of (N, C_in, H, W) with (C_out, C_in / groups, kh, kw), no bias."""
    n, c_out = len(x), len(weight)
    seen = windows(padded(x, padding, fill), weight.shape[2:], stride)
    high, wide = seen.shape[2:4]
    parts = []
    for group in range(groups):
        inputs = weight.shape[1]
        own = seen[:, group * inputs : (group + 1) * inputs]
        rows = own.transpose(0, 2, 3, 1, 4, 5).reshape(n * high * wide, -1)
        kernel = weight[group * c_out // groups : (group + 1) * c_out // groups]
        parts.append(matmul(rows, kernel.reshape(len(kernel), -1).T))
    found = np.concatenate(parts, axis=1) if groups > 1 else parts[0]
    return found.reshape(n, high, wide, c_out).transpose(0, 3, 1, 2)
