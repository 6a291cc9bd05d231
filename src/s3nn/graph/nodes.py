"""The operations that single-step networks are made of, (N, C, H, W) or (N, F) each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from s3nn.errors import UsageError
from s3nn.graph.ir import Array, Edge, Node, Spec
from s3nn.graph.windows import Pair, convolve, matmul, pool_windows, pooled_side

PerChannel = Sequence[float] | float  # a number a channel, or one for all


def _per_channel(values: Array, like: Array) -> Array:
    return values.reshape(1, -1, *[1] * (like.ndim - 2))


def _check(holds: bool, node: Node, problem: str) -> None:
    if not holds:
        raise UsageError(f"{type(node).__name__}: {problem}")


@dataclass(frozen=True)
class Image(Node):
    """Raw pixels, uint8, (C, H, W)."""

    shape: tuple[int, ...]

    def infer(self, *inputs: Spec) -> Spec:
        return Spec(self.shape, Edge.ANALOG)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        if x.dtype != np.uint8 or x.shape[1:] != self.shape:
            size = "x".join(map(str, self.shape))
            raise UsageError(
                f"this network takes images (N, {size}) of dtype uint8, got "
                f"{tuple(x.shape)} of {x.dtype}: give raw pixels, 0 to 255"
            )
        return x


@dataclass(frozen=True)
class Spikes(Node):
    """A map of spikes (C, H, W), 0 or 1 each, as input: for a layer on its own."""

    shape: tuple[int, ...]

    def infer(self, *inputs: Spec) -> Spec:
        return Spec(self.shape, Edge.SPIKE)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        return x


@dataclass(frozen=True, eq=False)
class Affine(Node):
    """y_c = scale_c x_c + offset_c: a batch-norm in eval mode, a bias, a normalisation."""

    scale: Array
    offset: Array

    @classmethod
    def of_pixels(cls, channels: int, mean: PerChannel, std: PerChannel) -> Affine:
        """(x / 255 - mean) / std; ``mean`` and ``std`` are a number a channel, or one for all."""
        given = [np.asarray(v, float).reshape(-1) for v in (mean, std)]
        if not {len(v) for v in given} <= {1, channels}:
            raise UsageError(
                f"mean and std have {len(given[0])} and {len(given[1])} numbers for {channels} "
                "channels: give one, or one a channel"
            )
        middle, spread = (np.broadcast_to(v, channels) for v in given)
        if not (np.isfinite(middle).all() and np.isfinite(spread).all() and (spread > 0).all()):
            raise UsageError("mean and std are finite numbers, and std is above 0")
        return cls(1 / (255 * spread), -middle / spread)

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        _check(len(self.scale) == x.channels, self, f"{len(self.scale)} channels for {x.shape}")
        return Spec(x.shape, Edge.ANALOG)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        wide = x.astype(np.int64) if np.issubdtype(self.scale.dtype, np.integer) else x
        found: Array = wide * _per_channel(self.scale, x) + _per_channel(self.offset, x)
        return found

    def after(self, first: Affine) -> Affine:
        """This one applied to what ``first`` gives, as one node."""
        return Affine(self.scale * first.scale, self.scale * first.offset + self.offset)


@dataclass(frozen=True, eq=False)
class Conv(Node):
    """Cross-correlation with weight (C_out, C_in / groups, kh, kw); no bias.

    ``fill`` is what lies around the image, a number a channel of the input.
    ``grid`` (C_out,) is the step that a trained integer weight is a multiple of, if it is one.
    """

    weight: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1
    fill: Array | None = None
    grid: Array | None = None

    @property
    def kernel(self) -> Pair:
        return self.weight.shape[2], self.weight.shape[3]

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        channels = self.weight.shape[1] * self.groups
        _check(len(x.shape) == 3 and x.channels == channels, self, f"{channels} for {x.shape}")
        sides = [
            (x.shape[axis + 1] + 2 * self.padding[axis] - self.kernel[axis]) // self.stride[axis]
            + 1
            for axis in (0, 1)
        ]
        _check(min(sides) > 0, self, f"a kernel {self.kernel} on {x.shape}")
        return Spec((len(self.weight), *sides), Edge.ANALOG)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        fill = 0 if self.fill is None else self.fill
        return convolve(x, self.weight, self.stride, self.padding, self.groups, fill)


@dataclass(frozen=True, eq=False)
class Linear(Node):
    """x W^T with W (F_out, F_in); no bias.  ``grid`` as in ``Conv``."""

    weight: Array
    grid: Array | None = None

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        features = self.weight.shape[1]
        _check(x.shape == (features,), self, f"{features} features for {x.shape}")
        return Spec((len(self.weight),), Edge.ANALOG)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        return matmul(x, self.weight.T)


@dataclass(frozen=True, eq=False)
class Fire(Node):
    """s_c = 1[u_c > threshold_c]."""

    threshold: Array

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        _check(len(self.threshold) == x.channels, self, f"{len(self.threshold)} for {x.shape}")
        return Spec(x.shape, Edge.SPIKE)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        found: Array = (x > _per_channel(self.threshold, x)).astype(np.uint8)
        return found


@dataclass(frozen=True)
class Add(Node):
    """The sum of two inputs of one shape."""

    def infer(self, *inputs: Spec) -> Spec:
        a, b = inputs
        _check(a.shape == b.shape, self, f"{a.shape} + {b.shape}")
        counts = {a.edge, b.edge} <= {Edge.SPIKE, Edge.COUNT}
        return Spec(a.shape, Edge.COUNT if counts else Edge.ANALOG)

    def run(self, *inputs: Array) -> Array:
        a, b = inputs
        found: Array = np.add(a, b, dtype=np.result_type(a, b, np.int64))
        return found


@dataclass(frozen=True)
class Pool(Node):
    """Windows over the image; those that hang over its end are cut off, or left out."""

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil: bool = False

    def keeps(self, shape: tuple[int, ...]) -> bool:
        """Whether it gives an image of ``shape`` as it is: its windows are the pixels."""
        alone = self.kernel == (1, 1) and self.padding == (0, 0)
        return alone and self.sides(shape) == shape[1:]

    def sides(self, shape: tuple[int, ...]) -> Pair:
        high, wide = (
            pooled_side(shape[a + 1], self.kernel[a], self.stride[a], self.padding[a], self.ceil)
            for a in (0, 1)
        )
        return high, wide

    def over(self, shape: tuple[int, ...]) -> Pair:
        """How many pixels the last windows reach over the image's end, down and right."""
        sides = self.sides(shape)
        down, right = (
            max(
                0,
                (sides[a] - 1) * self.stride[a] + self.kernel[a] - shape[a + 1] - self.padding[a],
            )
            for a in (0, 1)
        )
        return down, right

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        _check(len(x.shape) == 3, self, f"no image {x.shape}")
        return Spec((x.channels, *self.sides(x.shape)), x.edge)

    def _windows(self, x: Array, fill: float) -> Array:
        return pool_windows(x, self.kernel, self.stride, self.padding, self.ceil, fill)

    def sizes(self, shape: tuple[int, ...]) -> Array:
        """How many pixels each window (H', W') covers."""
        ones = np.ones((1, 1, *shape[-2:]), np.int64)
        found: Array = self._windows(ones, 0).sum(axis=(4, 5))[0, 0]
        return found


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest value of each window; of spikes, whether there is one."""

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        floating = np.issubdtype(x.dtype, np.floating)
        least = -np.inf if floating else np.iinfo(x.dtype).min
        found: Array = self._windows(x, least).max(axis=(4, 5))
        return found


@dataclass(frozen=True)
class SumPool(Pool):
    """The sum of each window; of spikes, how many there are."""

    def infer(self, *inputs: Spec) -> Spec:
        spec = super().infer(*inputs)
        return Spec(spec.shape, Edge.ANALOG if spec.edge is Edge.ANALOG else Edge.COUNT)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        kind = x.dtype if np.issubdtype(x.dtype, np.floating) else np.int64
        found: Array = self._windows(x, 0).sum(axis=(4, 5), dtype=kind)
        return found


@dataclass(frozen=True)
class MeanPool(SumPool):
    """The mean of each window's pixels, those outside of the image not counted."""

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        found: Array = super().run(x) / self.sizes(x.shape)
        return found


@dataclass(frozen=True)
class RoundedMeanPool(SumPool):
    """The mean of integers, rounded to the next integer, halves up: floor((2 sum + n) / 2n)."""

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        total, count = super().run(x), self.sizes(x.shape)
        found: Array = (2 * total + count) // (2 * count)
        return found


@dataclass(frozen=True, eq=False)
class Channels(Node):
    """Channels picked by ``index``, repeated or left out."""

    index: Array

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        _check(self.index.max() < x.channels, self, f"no channel {self.index.max()} in {x.shape}")
        return Spec((len(self.index), *x.shape[1:]), x.edge)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        return x[:, self.index]


@dataclass(frozen=True)
class Flatten(Node):
    """(C, H, W) -> (C H W,), channels first, as torch has it."""

    def infer(self, *inputs: Spec) -> Spec:
        (x,) = inputs
        return Spec((prod(x.shape),), x.edge)

    def run(self, *inputs: Array) -> Array:
        (x,) = inputs
        return x.reshape(len(x), -1)
