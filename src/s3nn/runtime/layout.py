"""Weights in the order in which the kernels read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s3nn.graph.ir import Array

VECTOR_LANES = (16, 32, 64)
MOST_TILE = 4  # vectors of sums that fit a core's registers beside what they are added from
MOST_SWEEP = 8  # the same, vectors of all pixels together
DENSE_LANES = 16
DENSE_TILE = 4


@dataclass(frozen=True)
class Tiling:
    """``tiles`` of ``tile`` vectors of ``lanes`` output channels each, the last ones padding."""

    lanes: int
    tile: int
    tiles: int

    @property
    def width(self) -> int:
        """Channels of a tile."""
        return self.lanes * self.tile

    @property
    def channels(self) -> int:
        return self.width * self.tiles


def event_tiling(channels: int, vectors: bool) -> Tiling:
    """As few vectors as hold the channels, and of these the narrowest.

    >>> event_tiling(24, vectors=True), event_tiling(256, vectors=True)
    (Tiling(lanes=32, tile=1, tiles=1), Tiling(lanes=64, tile=4, tiles=1))
    """
    if not vectors:
        return Tiling(channels + channels % 2, 1, 1)
    lanes = min(VECTOR_LANES, key=lambda lanes: (-(-channels // lanes), lanes))
    return _tiled(-(-channels // lanes), lanes, MOST_TILE)


def dense_tiling(channels: int, vectors: bool) -> Tiling:
    if not vectors:
        return Tiling(channels, 1, 1)
    return _tiled(-(-channels // DENSE_LANES), DENSE_LANES, DENSE_TILE)


def _tiled(count: int, lanes: int, most: int) -> Tiling:
    tile = max(size for size in range(1, most + 1) if count % size == 0)
    return Tiling(lanes, tile, count // tile)


def event_weights(weight: Array, tiling: Tiling) -> Array:
    """(C_out, C_in, kh, kw) -> [tile][ky][kx][c_in][lane], flat.

    Within a vector even lanes hold the first half of its channels and odd lanes the second.
    """
    padded = _padded(weight, tiling.channels)
    lanes = np.arange(tiling.lanes)
    channel = lanes // 2 + lanes % 2 * (tiling.lanes // 2)
    vectors = padded.reshape(tiling.tiles, tiling.tile, tiling.lanes, *weight.shape[1:])[
        :, :, channel
    ]
    # tile, vector, lane, c, ky, kx -> tile, ky, kx, c, vector, lane
    return vectors.transpose(0, 4, 5, 3, 1, 2).ravel()


def sweep_tiling(channels: int, columns: int, vectors: bool) -> Tiling:
    """As ``event_tiling``, with the sums of ``columns`` pixels in registers at once."""
    plain = event_tiling(channels, vectors)
    if not vectors:
        return plain
    return _tiled(plain.tile * plain.tiles, plain.lanes, max(1, MOST_SWEEP // columns))


def sweep_weights(weight: Array, tiling: Tiling) -> Array:
    """(C_out, C_in, kh, kw) -> [tile][ky][c_in][slot][lane], flat; slot j is kx = kw - 1 - j."""
    _, c_in, high, wide = weight.shape
    rows = event_weights(weight, tiling).reshape(tiling.tiles, high, wide, c_in, tiling.width)
    return rows[:, :, ::-1].transpose(0, 1, 3, 2, 4).ravel()


def dense_weights(weight: Array, tiling: Tiling) -> Array:
    """(C_out, C_in, kh, kw) -> [tile][ky][pair][lane][2], flat; a pair is two taps of a row."""
    padded = _padded(weight, tiling.channels)
    _, c_in, high, wide = weight.shape
    taps = padded.reshape(tiling.tiles, tiling.width, c_in, high, wide).transpose(0, 3, 4, 2, 1)
    taps = taps.reshape(tiling.tiles, high, wide * c_in, tiling.width)
    if taps.shape[2] % 2:
        taps = np.concatenate([taps, np.zeros_like(taps[:, :, :1])], axis=2)
    pairs = taps.reshape(tiling.tiles, high, -1, 2, tiling.width)
    return pairs.transpose(0, 1, 2, 4, 3).ravel()


def per_channel(values: Array, tiling: Tiling, rest: int) -> Array:
    """A number a channel, with ``rest`` for the channels that are padding."""
    return np.concatenate([values, np.full(tiling.channels - len(values), rest, values.dtype)])


def _padded(weight: Array, channels: int) -> Array:
    missing = np.zeros((channels - len(weight), *weight.shape[1:]), weight.dtype)
    return np.concatenate([weight, missing])
