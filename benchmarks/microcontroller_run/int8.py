"""What one would write by hand for the full-precision twin: 8-bit weights and activations.

Weights have a scale an output, activations one a layer, from the largest that calibration sees;
sums have 32 bits and become activations by a multiplication and a shift.  On a Cortex-M4 and M7 two
products at a time are added by SMLAD, four outputs share the loads, as in CMSIS-NN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microcontroller_run.twin import Layer
from s3nn.runtime.emit import Source

Integers = NDArray[np.int64]
SHIFT = 24  # of a multiplier; it is below 1, a sum is below 2^31, their product below 2^55


@dataclass(frozen=True)
class Quantised:
    weight: Integers
    bias: Integers
    multiplier: Integers | None  # none behind the last layer


def quantise(twin: list[Layer], images: NDArray[np.uint8]) -> list[Quantised]:
    found = []
    x, step = images.reshape(len(images), -1).astype(np.float64), 1.0
    for layer in twin:
        scale = np.abs(layer.weight).max(axis=1) / 127
        last = layer is twin[-1]
        if last:
            scale = np.full_like(scale, scale.max())
        weight = np.rint(layer.weight / scale[:, None]).astype(np.int64)
        bias = np.rint(layer.bias / (scale * step)).astype(np.int64)
        if last:
            found.append(Quantised(weight, bias, None))
            break
        x = np.maximum(x @ layer.weight.T + layer.bias, 0)
        following = x.max() / 255
        multiplier = np.rint(scale * step / following * 2**SHIFT).astype(np.int64)
        found.append(Quantised(weight, bias, multiplier))
        step = following
    return found


def run(layers: list[Quantised], images: NDArray[np.uint8]) -> NDArray[np.int32]:
    x = images.reshape(len(images), -1).astype(np.int64)
    for layer in layers:
        sums = x @ layer.weight.T + layer.bias
        if layer.multiplier is None:
            return sums.astype(np.int32)
        x = (np.maximum(sums, 0) * layer.multiplier + 2 ** (SHIFT - 1)) >> SHIFT
        x = np.minimum(x, 255)
    raise AssertionError("no last layer")


def emit(layers: list[Quantised], name: str = "network") -> Source:
    arrays, calls, scratch = [], [], []
    read, weight_bytes = "image", 0
    for number, layer in enumerate(layers):
        outputs, inputs = layer.weight.shape
        # Whole groups of four outputs and inputs; nothing in this network has others but the last.
        rows = np.zeros((-(-outputs // 4) * 4, inputs), np.int64)
        rows[:outputs] = layer.weight
        assert inputs % 4 == 0, f"{inputs} inputs are no multiple of 4"
        bias = np.zeros(len(rows), np.int64)
        bias[:outputs] = layer.bias
        arrays.append(_array(f"weights{number}", "int8_t", rows))
        arrays.append(_array(f"bias{number}", "int32_t", bias))
        weight_bytes += rows.size + 4 * bias.size
        scratch.append(len(rows))
        calls.append(
            f"    dense({read}, {inputs}, weights{number}, bias{number}, {len(rows)}, sums);"
        )
        if layer.multiplier is None:
            calls.append(f"    memcpy(logits, sums, {4 * outputs});")
        else:
            arrays.append(_array(f"multiplier{number}", "int32_t", layer.multiplier))
            weight_bytes += 4 * outputs
            read = "values"
            calls.append(f"    narrow(sums, multiplier{number}, {outputs}, values);")
    most = max(scratch)
    values = {
        "name": name,
        "NAME": name.upper(),
        "shift": SHIFT,
        "inputs": layers[0].weight.shape[1],
        "logits": len(layers[-1].weight),
        "arena": 5 * most,
        "most": most,
        "arrays": "\n".join(arrays),
        "calls": "\n".join(calls),
    }
    return Source(name, _HEADER % values, _BODY % values, weight_bytes, 5 * most)


def _array(name: str, ctype: str, values: Integers) -> str:
    numbers = ",".join(map(str, values.ravel()))
    return (
        f"static const {ctype} {name}[{values.size}] __attribute__((aligned(4))) = {{{numbers}}};"
    )


_HEADER = """\
#include <stdint.h>
#define %(NAME)s_IMAGE_BYTES %(inputs)d
#define %(NAME)s_LOGITS %(logits)d
#define %(NAME)s_ARENA_BYTES %(arena)d
void %(name)s_run(const uint8_t *image, int32_t *logits, void *arena);
"""

_BODY = """\
#include "%(name)s.h"

#include <string.h>

#ifdef __ARM_FEATURE_SIMD32
#include <arm_acle.h>
#endif

%(arrays)s

static void dense(const uint8_t *x, int32_t inputs, const int8_t *weights, const int32_t *bias,
                  int32_t outputs, int32_t *sums)
{
    for (int32_t o = 0; o < outputs; o += 4) {
        const int8_t *a = weights + o * inputs, *b = a + inputs, *c = b + inputs, *d = c + inputs;
        int32_t p = bias[o], q = bias[o + 1], r = bias[o + 2], s = bias[o + 3];
#ifdef __ARM_FEATURE_SIMD32
#define TURNED(word) ((word) >> 8 | (word) << 24)
#define TAKE(sum, row)                                             \\
    memcpy(&word, row + i, 4);                                     \\
    sum = __smlad((int16x2_t)even, __sxtb16((int8x4_t)word), sum); \\
    sum = __smlad((int16x2_t)odd, __sxtb16((int8x4_t)TURNED(word)), sum);
        for (int32_t i = 0; i < inputs; i += 4) {
            uint32_t values, word;
            memcpy(&values, x + i, 4);
            const uint32_t even = __uxtb16(values), odd = __uxtb16(TURNED(values));
            TAKE(p, a) TAKE(q, b) TAKE(r, c) TAKE(s, d)
        }
#else
        for (int32_t i = 0; i < inputs; ++i) {
            const int32_t value = x[i];
            p += value * a[i];
            q += value * b[i];
            r += value * c[i];
            s += value * d[i];
        }
#endif
        sums[o] = p;
        sums[o + 1] = q;
        sums[o + 2] = r;
        sums[o + 3] = s;
    }
}

static void narrow(const int32_t *sums, const int32_t *multiplier, int32_t count, uint8_t *values)
{
    for (int32_t i = 0; i < count; ++i) {
        const int64_t sum = sums[i] < 0 ? 0 : sums[i];
        const int64_t value = (sum * multiplier[i] + (1 << (%(shift)d - 1))) >> %(shift)d;
        values[i] = value > 255 ? 255 : (uint8_t)value;
    }
}

void %(name)s_run(const uint8_t *image, int32_t *logits, void *arena)
{
    int32_t *const sums = arena;
    uint8_t *const values = (uint8_t *)(sums + %(most)d);
%(calls)s
}
"""
