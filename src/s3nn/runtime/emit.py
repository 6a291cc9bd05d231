"""A plan as C: one header and one source, without allocation, that need stdint and string only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

import numpy as np

from s3nn.errors import UsageError
from s3nn.graph.ir import Array
from s3nn.graph.nodes import (
    Add,
    Affine,
    Channels,
    Fire,
    Flatten,
    MaxPool,
    Pool,
    RoundedMeanPool,
)
from s3nn.runtime.layout import (
    Tiling,
    biased,
    dense_tiling,
    dense_weights,
    event_tiling,
    event_weights,
    packed_weights,
    packing,
    per_channel,
    silent_words,
    sweep_tiling,
    sweep_weights,
)
from s3nn.runtime.plan import Convolution, Kernel, Kind, Plan, Step, Value, Widen

PIXELS = 4  # neighbours that share a load of a weight in a dense convolution
NUMBERS_A_LINE = 24


@dataclass(frozen=True)
class Source:
    """Generated C: the texts of NAME.h and NAME.c, and how large the parts are."""

    name: str
    header: str
    body: str
    weight_bytes: int
    arena_bytes: int


def emit(plan: Plan, name: str = "network", *, vectors: bool = True) -> Source:
    """The C of a plan; without ``vectors`` it is for machines that have none, and smaller: weights
    of 2 and 4 bits take no more than that, and are added several in a word.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"{name!r} is no name for C functions: use small letters, digits and underscores, "
            "a letter first"
        )
    if re.fullmatch(r"layer[0-9]+|s3nn.*", name):
        raise UsageError(f"{name!r} is a name of the parts of the C itself: choose another")
    writer = _Writer(plan, name, vectors)
    return writer.source()


def kernel(name: str) -> str:
    """The text of a hand-written kernel."""
    return (resources.files(__package__) / "kernels" / f"{name}.h").read_text(encoding="utf-8")


class _Writer:
    def __init__(self, plan: Plan, name: str, vectors: bool) -> None:
        self.plan, self.name, self.vectors = plan, name, vectors
        self.layers: list[str] = []
        self.calls: list[str] = []
        self.weight_bytes = 0

    def source(self) -> Source:
        for number, step in enumerate(self.plan.steps):
            if isinstance(step, Convolution):
                self._convolution(number, step)
            else:
                self._map(number, step)
        image, output = self.plan.image, self.plan.output
        values = {
            "name": self.name,
            "NAME": self.name.upper(),
            "image_bytes": image.channels * image.height * image.width,
            "image_shape": f"[{image.channels}][{image.height}][{image.width}]",
            "logits": output.channels * output.height * output.width,
            "arena_bytes": self.plan.arena_bytes,
            "scalar": "" if self.vectors else _SCALAR,
            "calls": "\n".join(f"    {call}" for call in self.calls),
        }
        parts = [_HEAD % values, kernel("base"), kernel("maps"), *self.layers, _TAIL % values]
        return Source(
            self.name, _HEADER % values, "\n".join(parts), self.weight_bytes, self.plan.arena_bytes
        )

    def _address(self, value: Value) -> str:
        if value.name == self.plan.image.name:
            return "image"
        if value.name == self.plan.output.name:
            return "logits"
        return f"(void *)(base + {self.plan.places[value.name]})"

    def _array(self, name: str, ctype: str, values: Array) -> str:
        self.weight_bytes += values.size * np.dtype(_SIZES[ctype]).itemsize
        numbers = [str(int(v)) for v in values]
        lines = [
            ",".join(numbers[start : start + NUMBERS_A_LINE])
            for start in range(0, len(numbers), NUMBERS_A_LINE)
        ]
        body = ",\n".join(lines)
        return f"static const {ctype} {name}[{values.size}] S3NN_ALIGNED = {{\n{body}}};\n"

    def _convolution(self, number: int, step: Convolution) -> None:
        prefix = f"layer{number}"
        packed = not self.vectors and step.kernel is not Kernel.DENSE
        sizes, parameters = (self._packed if packed else self._tiled)(prefix, step)
        text = [
            f"/* {step.vertex.name}: {_described(step)} */\n",
            *(f"#define {key} {value}\n" for key, value in sizes.items()),
            f"#define NAME(part) {prefix}_##part\n",
            *parameters,
            kernel("packed_conv") if packed else kernel("finish") + kernel(f"{step.kernel}_conv"),
            *(f"#undef {key}\n" for key in sizes),
            "#undef NAME\n",
        ]
        self.layers.append("".join(text))
        source, target = self._address(step.inputs[0]), self._address(step.output)
        self.calls.append(f"{prefix}_run({source}, {target}, base);")

    def _tiled(self, prefix: str, step: Convolution) -> tuple[dict[str, int | str], list[str]]:
        """The sizes and arrays of a kernel that adds vectors, or reads all inputs."""
        tiling, source = self._tiling(step), step.inputs[0]
        bits = 8 * step.weight.dtype.itemsize
        sizes: dict[str, int | str] = {
            **_geometry(step), "LANES": tiling.lanes, "TILE": tiling.tile, "TILES": tiling.tiles,
            "WIDTH": tiling.width, "SUM": f"int{_sum_bits(step)}_t",
        }  # fmt: skip
        if step.kernel is Kernel.DENSE:
            sizes |= {
                "PIXELS": min(PIXELS, step.output.width) if self.vectors else 1,
                "WEIGHT_BITS": bits,
                "FROM_IMAGE": int(source.kind is Kind.IMAGE),
                "FROM_SPIKES": int(source.kind is Kind.SPIKES),
            }
        else:
            lanes = tiling.lanes
            sizes |= {
                "SUMS": step.sums,
                "ROWS8": step.rows8,
                "BYTES": f"s3nn_byte{lanes}",
                "HALVES": f"s3nn_half{lanes}",
                "BITS": f"s3nn_bits{lanes}",
            }
        if step.kernel is Kernel.SWEEP:
            sizes |= {"WIDE": int(step.wide), "MODULAR": f"s3nn_modular{tiling.lanes}"}
        in_order = {
            Kernel.DENSE: dense_weights,
            Kernel.EVENT: event_weights,
            Kernel.SWEEP: sweep_weights,
        }[step.kernel]
        weights = in_order(step.weight, tiling)
        if step.kernel is Kernel.SWEEP and step.wide:
            weights = biased(weights)
        arrays = [self._array(f"{prefix}_weights", f"int{bits}_t", weights)]
        if source.kind is Kind.IMAGE:
            fill = np.zeros(source.channels, int) if step.fill is None else step.fill
            arrays.append(self._array(f"{prefix}_fill", "int16_t", fill))
        arrays += self._finish(prefix, step, tiling.channels)
        return sizes, arrays

    def _tiling(self, step: Convolution) -> Tiling:
        channels = len(step.weight)
        match step.kernel:
            case Kernel.DENSE:
                return dense_tiling(channels, self.vectors)
            case Kernel.SWEEP:
                return sweep_tiling(channels, step.weight.shape[3])
        return event_tiling(channels)

    def _packed(self, prefix: str, step: Convolution) -> tuple[dict[str, int | str], list[str]]:
        """The same of the kernel that adds several weights in a word."""
        found = packing(step.weight)
        sizes: dict[str, int | str] = {
            **_geometry(step), "WEIGHT_BITS": found.bits, "LANE": found.lane, "ROW": found.row,
            "BLOCK": found.block, "ROWS": (2 ** (found.lane - 1) - 1) // step.largest,
            "SUMS": step.sums,
        }  # fmt: skip
        weights = packed_weights(step.weight, found)
        arrays = [self._array(f"{prefix}_weights", "uint32_t", weights)]
        return sizes, arrays + self._finish(prefix, step, found.padded)

    def _finish(self, prefix: str, step: Convolution, channels: int) -> list[str]:
        """The arrays of what becomes of a sum, for as many channels as the kernel adds up."""
        if step.thresholds is not None:
            sums = _sum_bits(step)
            limits = per_channel(step.thresholds, channels, 2 ** (sums - 1) - 1)
            arrays = [self._array(f"{prefix}_thresholds", f"int{sums}_t", limits)]
            if step.kernel is Kernel.SWEEP and self.vectors:
                words = silent_words(step.thresholds, step.output.words)
                arrays.append(self._array(f"{prefix}_silent", "uint32_t", words))
            return arrays
        count = step.output.channels
        scales = np.ones(count, int) if step.scales is None else step.scales
        offsets = np.zeros(count, int) if step.offsets is None else step.offsets
        return [
            self._array(f"{prefix}_scales", "int32_t", scales),
            self._array(f"{prefix}_offsets", "int32_t", offsets),
        ]

    def _map(self, number: int, step: Step) -> None:
        """A step on whole maps, one call of a function of maps.h."""
        node, out, source = step.vertex.node, step.output, step.inputs[0]
        pixels, channels = source.height * source.width, source.channels
        into, reads = self._address(out), [self._address(value) for value in step.inputs]
        prefix = f"step{number}"
        match node:
            case Pool():
                window = ", ".join(map(str, _window(node, source, out)))
                self.calls.append(f"const s3nn_window {prefix}_window = {{{window}}};")
                call = self._pool(node, source)
                self.calls.append(
                    call.format(source=reads[0], into=into, window=f"{prefix}_window")
                )
            case Add():
                size = out.height * out.width * out.channels
                self.calls.append(f"s3nn_add({reads[0]}, {reads[1]}, {into}, {size});")
            case Affine():
                self._constant(f"{prefix}_scales", node.scale)
                self._constant(f"{prefix}_offsets", node.offset)
                arrays = f"{prefix}_scales, {prefix}_offsets"
                self.calls.append(
                    f"s3nn_affine({reads[0]}, {into}, {pixels}, {channels}, {arrays});"
                )
            case Fire():
                self._constant(f"{prefix}_thresholds", node.threshold)
                arrays = f"{prefix}_thresholds"
                self.calls.append(
                    f"s3nn_fire({reads[0]}, {into}, {pixels}, {channels}, {out.words}, {arrays});"
                )
            case Channels():
                self._constant(f"{prefix}_index", node.index)
                sizes = f"{pixels}, {channels}, {out.channels}"
                self.calls.append(f"s3nn_channels({reads[0]}, {into}, {sizes}, {prefix}_index);")
            case Flatten():
                self.calls.append(f"s3nn_flatten({reads[0]}, {into}, {pixels}, {channels});")
            case Widen():
                self.calls.append(
                    f"s3nn_widen({reads[0]}, {into}, {pixels}, {channels}, {source.words});"
                )
            case _:
                raise AssertionError(f"no C for {node}")

    def _constant(self, name: str, values: Array) -> None:
        self.layers.append(self._array(name, "int32_t", values))

    @staticmethod
    def _pool(node: Pool, source: Value) -> str:
        if source.kind is Kind.SPIKES:
            if isinstance(node, MaxPool):
                return f"s3nn_or_pool({{source}}, {{into}}, {{window}}, {source.words});"
            sizes = f"{source.words}, {source.channels}"
            return f"s3nn_count_pool({{source}}, {{into}}, {{window}}, {sizes});"
        if isinstance(node, MaxPool):
            return f"s3nn_max_pool({{source}}, {{into}}, {{window}}, {source.channels});"
        mean = int(isinstance(node, RoundedMeanPool))
        return f"s3nn_sum_pool({{source}}, {{into}}, {{window}}, {source.channels}, {mean});"


_SIZES = {"uint32_t": np.uint32, "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32}


def _sum_bits(step: Convolution) -> int:
    return 32 if step.kernel is Kernel.DENSE else step.sums


def _geometry(step: Convolution) -> dict[str, int]:
    """What every kernel of a convolution is told."""
    source, out = step.inputs[0], step.output
    high, wide = step.weight.shape[2:]
    return {
        "IN_H": source.height, "IN_W": source.width, "IN_C": source.channels,
        "IN_WORDS": source.words,
        "OUT_H": out.height, "OUT_W": out.width, "OUT_C": out.channels, "OUT_WORDS": out.words,
        "KH": high, "KW": wide, "SY": step.stride[0], "SX": step.stride[1],
        "PY": step.padding[0], "PX": step.padding[1],
        "FIRES": int(step.thresholds is not None),
    }  # fmt: skip


def _window(node: Pool, source: Value, out: Value) -> tuple[int, ...]:
    sides = (source.height, source.width, out.height, out.width)
    return (*sides, *node.kernel, *node.stride, *node.padding)


def _described(step: Convolution) -> str:
    source, (c_out, c_in, high, wide) = step.inputs[0], step.weight.shape
    how = "all inputs" if step.kernel is Kernel.DENSE else "spikes"
    rate = "" if step.rate is None else f", {100 * step.rate:.1f} % of them fire"
    return (
        f"{c_in} x {source.height} x {source.width} to {c_out} channels, kernel {high} x {wide}, "
        f"reads {how}{rate}"
    )


_HEADER = """\
/* A single-step spiking network in C.  Generated by s3nn. */
#ifndef S3NN_%(NAME)s_H
#define S3NN_%(NAME)s_H

#include <stddef.h>
#include <stdint.h>

#define %(NAME)s_IMAGE_BYTES %(image_bytes)d /* uint8_t %(image_shape)s, raw pixels */
#define %(NAME)s_LOGITS %(logits)d /* the largest is the class */
#define %(NAME)s_ARENA_BYTES %(arena_bytes)d

#ifdef __cplusplus
extern "C" {
#endif

/* Logits of one image.  `arena` is memory that only this call uses, aligned to 64 bytes. */
void %(name)s_run(const uint8_t *image, int32_t *logits, void *arena);

/* Logits of `count` images, one behind the other. */
void %(name)s_batch(const uint8_t *images, size_t count, int32_t *logits, void *arena);

#ifdef __cplusplus
}
#endif

#endif
"""

_HEAD = """\
/* A single-step spiking network in C.  Generated by s3nn; integers only, no allocation. */

#include "%(name)s.h"

#include <string.h>
%(scalar)s"""

_SCALAR = """
#ifndef S3NN_SCALAR
#define S3NN_SCALAR 1 /* weights are not padded to vectors */
#endif
"""

_TAIL = """\
void %(name)s_run(const uint8_t *image, int32_t *logits, void *arena)
{
    char *const base = (char *)arena;
%(calls)s
}

void %(name)s_batch(const uint8_t *images, size_t count, int32_t *logits, void *arena)
{
    for (size_t i = 0; i < count; ++i)
        %(name)s_run(images + i * %(image_bytes)d, logits + i * %(logits)d, arena);
}
"""
