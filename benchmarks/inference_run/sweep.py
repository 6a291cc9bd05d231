"""Time against spikes: the hidden convolutions of a CNN7, fed with spikes of every rate."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from s3nn.graph.ir import Array, Graph, Vertex
from s3nn.graph.nodes import Conv, Fire, Spikes
from s3nn.graph.windows import convolve
from s3nn.native import build
from s3nn.rivals.clock import interleaved, spread
from s3nn.runtime.emit import emit
from s3nn.runtime.engine import ALIGNMENT
from s3nn.runtime.plan import WORD_BITS, Convolution, Kernel, Plan, plan

SIDES = ((64, 64, 28), (64, 128, 14), (128, 128, 14), (128, 256, 7), (256, 256, 7))
RATES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
FIRES = 0.05  # of the outputs: a threshold high above the middle, as trained networks have


@dataclass(frozen=True, eq=False)
class Layer:
    """One compiled convolution of spikes, called with a map of bits."""

    weight: Array
    thresholds: Array
    side: int
    run: Callable[[Array], Array]


def layer(c_in: int, c_out: int, side: int, bits: int, kernel: Kernel | None) -> Layer:
    """A 3x3 convolution with random weights; ``kernel`` in place of the one that plan takes."""
    rng = np.random.default_rng(c_in + c_out)
    largest = 2 ** (bits - 1) - 1
    weight = np.clip(rng.normal(0, largest / 3, (c_out, c_in, 3, 3)), -largest, largest)
    most = np.abs(weight).sum((1, 2, 3)).max()  # as quantise has it: sums of 16 bits
    weight = np.rint(weight * min(1.0, 2**15 / most)).astype(np.int8)
    shown = _bits(rng, c_in, side, 0.1)
    sums = convolve(shown, weight, (1, 1), (1, 1), 1, 0)
    thresholds = np.quantile(sums, 1 - FIRES, axis=(0, 2, 3)).astype(np.int64)
    graph = Graph(
        (
            Vertex("spikes", Spikes((c_in, side, side))),
            Vertex("conv", Conv(weight, padding=(1, 1)), ("spikes",)),
            Vertex("fire", Fire(thresholds), ("conv",)),
        )
    )
    made = plan_of_spikes(graph, kernel)
    source = emit(made, f"sweep{c_in}_{c_out}_{side}_{kernel or 'own'}")
    function = ctypes.CDLL(str(build(source)))[f"{source.name}_run"]
    function.restype = None
    function.argtypes = [ctypes.c_void_p] * 3
    memory = np.zeros(source.arena_bytes + ALIGNMENT, np.uint8)
    arena = -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT
    out = np.zeros((side, side, made.output.words), np.uint32)

    def run(map_of_bits: Array) -> Array:
        _ = memory  # stays alive
        function(map_of_bits.ctypes.data, out.ctypes.data, arena)
        return out

    return Layer(weight, thresholds, side, run)


def plan_of_spikes(graph: Graph, kernel: Kernel | None) -> Plan:
    made = plan(graph)
    (step,) = made.steps
    assert isinstance(step, Convolution)
    if kernel is None:
        return made
    other = plan(graph, {"spikes": 1.0}, dense_above=0.5) if kernel is Kernel.DENSE else made
    (changed,) = other.steps
    assert isinstance(changed, Convolution)
    return replace(other, steps=(replace(changed, kernel=kernel),))


def _bits(rng: np.random.Generator, channels: int, side: int, rate: float) -> Array:
    return (rng.random((1, channels, side, side)) < rate).astype(np.uint8)


def pack(spikes: Array, words: int) -> Array:
    """(1, C, H, W) of 0 and 1 as words of bits (H, W, words)."""
    _, channels, high, wide = spikes.shape
    padded = np.zeros((high, wide, words * WORD_BITS), np.uint8)
    padded[:, :, :channels] = spikes[0].transpose(1, 2, 0)
    return np.packbits(padded, axis=2, bitorder="little").view(np.uint32)


def sweep(bits: int, rounds: int, rates: Sequence[float] = RATES) -> list[dict[str, Any]]:
    """For each rate the microseconds of all layers: reading spikes, and reading every input.

    Each kernel's spikes are held against numpy's first.
    """
    rng = np.random.default_rng(0)
    kinds: tuple[Kernel | None, ...] = (None, Kernel.DENSE)
    layers = {(kind, sides): layer(*sides, bits, kind) for kind in kinds for sides in SIDES}
    found = []
    for rate in rates:
        maps = {sides: _bits(rng, sides[0], sides[2], rate) for sides in SIDES}
        packed = {sides: pack(maps[sides], _words(sides[0])) for sides in SIDES}
        for (kind, sides), made in layers.items():
            _check(made, maps[sides], packed[sides], f"{kind} {sides} at {rate}")
        calls = {
            name: partial(_all, [(layers[kind, sides], packed[sides]) for sides in SIDES])
            for name, kind in (("spikes", None), ("dense", Kernel.DENSE))
        }
        timed = interleaved(calls, rounds)
        spikes = sum(int(each.sum()) for each in maps.values())
        row: dict[str, Any] = {"rate": rate, "spikes": spikes}
        row |= {f"{name}_latency_us": spread(times)["latency_us"] for name, times in timed.items()}
        found.append(row)
    return found


def line(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The straight line through latency against spikes, and how well it fits."""
    spikes = np.array([row["spikes"] for row in rows], float)
    latency = np.array([row["spikes_latency_us"] for row in rows])
    slope, start = np.polyfit(spikes, latency, 1)
    rest = latency - (slope * spikes + start)
    return {
        "us_per_spike": float(slope),
        "us_at_rest": float(start),
        "r_squared": float(1 - (rest**2).sum() / ((latency - latency.mean()) ** 2).sum()),
    }


def _words(channels: int) -> int:
    words = -(-channels // WORD_BITS)
    return words if words == 1 else words + words % 2


def _all(work: list[tuple[Layer, Array]]) -> None:
    for made, spikes in work:
        made.run(spikes)


def _check(made: Layer, spikes: Array, packed: Array, name: str) -> None:
    sums = convolve(spikes, made.weight, (1, 1), (1, 1), 1, 0)
    fires = (sums > made.thresholds.reshape(1, -1, 1, 1)).astype(np.uint8)
    found = made.run(packed)
    if not np.array_equal(found, pack(fires, found.shape[2])):
        raise AssertionError(f"{name}: the compiled layer fires otherwise than numpy's")
