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
DENSE_FEW = 4  # as in dense_conv.h
WORD_BITS = 32
PACKED_BITS = (2, 4, 8)
PACKED_SUMS = 8  # words of sums that fit the registers of a Cortex-M


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


def event_tiling(channels: int) -> Tiling:
    """As few vectors as hold the channels, and of these the narrowest.

    >>> event_tiling(24), event_tiling(256)
    (Tiling(lanes=32, tile=1, tiles=1), Tiling(lanes=64, tile=4, tiles=1))
    """
    lanes = min(VECTOR_LANES, key=lambda lanes: (-(-channels // lanes), lanes))
    return _tiled(-(-channels // lanes), lanes, MOST_TILE)


def dense_tiling(channels: int, vectors: bool) -> Tiling:
    if not vectors:
        return Tiling(-(-channels // DENSE_FEW) * DENSE_FEW, 1, 1)
    pairs = _tiled(-(-channels // (2 * DENSE_LANES)), DENSE_LANES, DENSE_TILE // 2)
    return Tiling(DENSE_LANES, 2 * pairs.tile, pairs.tiles)  # two fill a word of spikes


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


def sweep_tiling(channels: int, columns: int) -> Tiling:
    """As ``event_tiling``, with the sums of ``columns`` pixels in registers at once."""
    plain = event_tiling(channels)
    return _tiled(plain.tile * plain.tiles, plain.lanes, max(1, MOST_SWEEP // columns))


def sweep_weights(weight: Array, tiling: Tiling) -> Array:
    """(C_out, C_in, kh, kw) -> [tile][ky][c_in][slot][lane], flat; slot j is kx = kw - 1 - j."""
    _, c_in, high, wide = weight.shape
    rows = event_weights(weight, tiling).reshape(tiling.tiles, high, wide, c_in, tiling.width)
    return rows[:, :, ::-1].transpose(0, 1, 3, 2, 4).ravel()


def biased(weights: Array) -> Array:
    """Weights in order whose even lanes are stored as bytes without a sign, 128 more each."""
    found = weights.copy()
    found[::2] ^= np.int8(-128)
    return found


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


@dataclass(frozen=True)
class Packing:
    """Weights of ``bits`` in words of 32, as packed_conv.h reads them; ``lane`` bits a sum."""

    bits: int
    channels: int

    @property
    def lane(self) -> int:
        return max(8, 2 * self.bits)

    @property
    def fields(self) -> int:
        """Weights a word."""
        return WORD_BITS // self.bits

    @property
    def row(self) -> int:
        """Words a row of weights."""
        return -(-self.channels // self.fields)

    @property
    def padded(self) -> int:
        """Channels of whole blocks."""
        return -(-self.row // self.block) * self.block * self.fields

    @property
    def block(self) -> int:
        """Words whose sums fit the registers."""
        return min(PACKED_SUMS * self.bits // self.lane, self.row)


def packing(weight: Array) -> Packing:
    """The fewest bits that hold every weight.

    >>> packing(np.array([[7], [-8], [0]]))
    Packing(bits=4, channels=3)
    """
    least, largest = int(weight.min(initial=0)), int(weight.max(initial=0))
    bits = next(b for b in PACKED_BITS if -(2 ** (b - 1)) <= least and largest < 2 ** (b - 1))
    return Packing(bits, len(weight))


def packed_weights(weight: Array, packing: Packing) -> Array:
    """(C_out, C_in, kh, kw) -> [ky][kx][c_in][word], flat, of uint32, and a block that is read for
    nothing.

    Lane j of the k-th word of lanes that a word is spread to is its channel k (32 / lane) + j.
    """
    bits, fields = packing.bits, packing.fields
    padded = _padded(weight, packing.row * fields).astype(np.int64) + 2 ** (bits - 1)
    rows = padded.transpose(2, 3, 1, 0).reshape(-1, fields)
    channel = np.arange(fields)
    lanes = WORD_BITS // packing.lane
    place = channel % lanes * packing.lane + channel // lanes * bits
    words = (rows << place).sum(axis=1).astype(np.uint32)
    return np.concatenate([words, np.zeros(packing.block - 1, np.uint32)])


def per_channel(values: Array, channels: int, rest: int) -> Array:
    """A number a channel, with ``rest`` for the channels that are padding."""
    return np.concatenate([values, np.full(channels - len(values), rest, values.dtype)])


def silent_words(thresholds: Array, words: int) -> Array:
    """The bits of a pixel without input: the channels whose threshold is below zero fire."""
    fires = np.zeros(WORD_BITS * words, np.uint32)
    fires[: len(thresholds)] = thresholds < 0
    bits = fires.reshape(words, WORD_BITS) << np.arange(WORD_BITS, dtype=np.uint32)
    found: Array = bits.sum(1, dtype=np.uint32)
    return found


def _padded(weight: Array, channels: int) -> Array:
    missing = np.zeros((channels - len(weight), *weight.shape[1:]), weight.dtype)
    return np.concatenate([weight, missing])
