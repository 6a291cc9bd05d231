"""Real weights as a few integer levels and a step a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from s3nn.errors import UsageError
from s3nn.graph.ir import Array
from s3nn.graph.nodes import Conv, Linear

BITS = (8, 6, 4, 2)
LARGEST = {8: 127, 16: 32767}  # of an integer of so many bits that has its negative


@dataclass(frozen=True, eq=False)
class Levels:
    """weight ~ step_c levels: int8 or int16 of the weight's shape, and a step > 0 a channel."""

    levels: Array
    step: Array

    @property
    def weight(self) -> Array:
        found: Array = self.levels * by_channel(self.step, self.levels)
        return found


def check_bits(bits: int) -> int:
    if bits not in BITS:
        raise UsageError(f"a weight has 8, 6, 4 or 2 bits (2: ternary), got {bits}")
    return bits


def on_grid(weight: Array, step: Array, wide: bool = False) -> Levels | None:
    """The levels of a weight that is a multiple of ``step`` (C,) already, if int8 holds them.

    ``wide`` lets int16 hold them.

    >>> on_grid(np.array([[0.5, -1.0]]), np.array([0.5])).levels.tolist()
    [[1, -2]]
    """
    step = np.where(step > 0, step, 1.0)
    levels = np.rint(weight / by_channel(step, weight))
    off = np.abs(weight - levels * by_channel(step, weight)).max(initial=0)
    bits = 16 if wide else 8
    if np.abs(levels).max(initial=0) > LARGEST[bits] or off > 1e-3 * step.min():
        return None
    return Levels(levels.astype(_holding(np.abs(levels).max(initial=0))), step)


def nearest(weight: Array, bits: int, importance: Array | None = None) -> Levels:
    """The levels ``-q .. q``, ``q = 2^(bits - 1) - 1``, that lose least of a weight (C, ...).

    For each channel the step that minimises ``sum_i importance_i (w_i - step round(w_i / step))^2``
    is searched from that of the largest weight downwards, the rest clipped.  ``importance``
    broadcasts to the weight: how often an input is there, where that is known.

    >>> nearest(np.array([[0.3, -0.1, 0.2]]), bits=2).levels.tolist()
    [[1, 0, 1]]
    """
    largest = 2 ** (bits - 1) - 1
    rows = weight.reshape(len(weight), -1)
    matters = np.ones_like(rows)
    if importance is not None:
        matters = np.broadcast_to(importance, weight.shape).reshape(rows.shape) + 1e-6
    top = np.abs(rows).max(1, initial=0)
    top = np.where(top > 0, top, 1.0)
    best, least = top / largest, np.full(len(rows), np.inf)
    for share in np.linspace(1.0, 0.2, 81):
        step = share * top / largest
        levels = np.clip(np.rint(rows / step[:, None]), -largest, largest)
        loss = (matters * (rows - levels * step[:, None]) ** 2).sum(1)
        best, least = np.where(loss < least, step, best), np.minimum(least, loss)
    levels = np.clip(np.rint(rows / best[:, None]), -largest, largest)
    return Levels(levels.astype(_holding(largest)).reshape(weight.shape), best)


def importance(node: Conv | Linear, inputs: Array) -> Array | None:
    """The mean square of each input, in the shape of a weight of one output channel."""
    if isinstance(node, Linear):
        found: Array = (inputs.astype(np.float32) ** 2).mean(0)
        return found
    if node.groups > 1:
        return None
    squares: Array = (inputs.astype(np.float32) ** 2).mean((0, 2, 3))
    return squares[:, None, None]


def fitting(weight: Array, found: Levels, most: int) -> Levels:
    """``found``, on a coarser step in the channels where a sum of 0s and 1s may exceed ``most``.

    >>> fitting(np.array([[3.0, 3.0]]), nearest(np.array([[3.0, 3.0]]), bits=8), most=101).levels
    array([[50, 50]], dtype=int8)
    """
    rows = found.levels.reshape(len(weight), -1).astype(np.int64)
    sums = np.maximum(np.maximum(rows, 0).sum(1), np.maximum(-rows, 0).sum(1))
    # Rounding may add half a level a weight, that it must not.
    room = most - 0.5 * np.count_nonzero(rows, axis=1)
    step = found.step * np.where(sums > most, sums / np.maximum(room, 1), 1.0)
    largest = np.abs(found.levels).max(initial=0)
    coarser = np.clip(np.rint(weight / by_channel(step, weight)), -largest, largest)
    kept = by_channel(step == found.step, weight)
    return Levels(np.where(kept, found.levels, coarser).astype(found.levels.dtype), step)


def _holding(largest: float) -> type[np.signedinteger[Any]]:
    return np.int8 if largest <= LARGEST[8] else np.int16


def by_channel(values: Array, like: Array) -> Array:
    return values.reshape(-1, *[1] * (like.ndim - 1))
