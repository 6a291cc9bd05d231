"""emx-onnx-cgen: a float network's ONNX as C.

It needs onnx, which is why it runs in an environment of its own: `python -m venv emx`, then
`emx/bin/pip install emx-onnx-cgen`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from microcontroller_run.twin import Layer


def generate(twin: list[Layer], python: Path) -> str:
    """The C of a fully connected network: `void model(...)` of one image as floats."""
    arrays = {}
    for number, layer in enumerate(twin):
        arrays[f"w{number}"] = layer.weight.astype(np.float32)
        arrays[f"b{number}"] = layer.bias.astype(np.float32)
    with TemporaryDirectory() as folder:
        np.savez(Path(folder) / "layers.npz", **arrays)
        _call(folder, str(python.absolute()), "-c", _ONNX)
        tool = python.absolute().parent / "emx-onnx-cgen"
        flags = ("--large-temp-threshold", "0", "--large-weight-threshold", "0")
        _call(folder, str(tool), "compile", "model.onnx", "model.c", *flags)
        return (Path(folder) / "model.c").read_text(encoding="utf-8")


def version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('emx-onnx-cgen'))"
    return _call(".", str(python), "-c", code).strip()


def main(images: NDArray[np.uint8], logits: int) -> str:
    """A program that prints the bits of every logit, then what an image took."""
    rows = ",\n".join(
        "{" + ",".join(map(str, row)) + "}" for row in images.reshape(len(images), -1)
    )
    values = {
        "count": len(images), "pixels": images[0].size, "logits": logits, "rows": rows,
    }  # fmt: skip
    return _MAIN % values


def bare(pixels: int, logits: int) -> str:
    return _BARE % {"pixels": pixels, "logits": logits}


def read(said: str, images: int) -> NDArray[np.float32]:
    """The logits that ``main`` printed."""
    bits = [int(line.split()[1]) for line in said.splitlines() if line.startswith("logit ")]
    return np.array(bits, np.int32).view(np.float32).reshape(images, -1)


def _call(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


_ONNX = """
import numpy, onnx
from onnx import TensorProto, helper, numpy_helper
arrays = numpy.load("layers.npz")
count, nodes, name = len(arrays) // 2, [], "x"
for i in range(count):
    nodes.append(helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"y{i}"], transB=1))
    name = f"y{i}"
    if i + 1 < count:
        nodes.append(helper.make_node("Relu", [name], [f"r{i}"]))
        name = f"r{i}"
sides = arrays["w0"].shape[1], arrays[f"w{count - 1}"].shape[0]
ends = [
    helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, side])
    for end, side in zip(("x", name), sides)
]
constants = [numpy_helper.from_array(arrays[key], key) for key in arrays]
graph = helper.make_graph(nodes, "twin", ends[:1], ends[1:], constants)
opset = helper.make_opsetid("", 17)
onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), "model.onnx")
"""

_BARE = """\
void model(const float x[1][%(pixels)d], float y[1][%(logits)d]);

static float x[1][%(pixels)d], y[1][%(logits)d];

int main(void)
{
    model(x, y);
    return (int)y[0][0];
}
"""

_MAIN = """\
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "board.h"

void model(const float x[1][%(pixels)d], float y[1][%(logits)d]);

static const uint8_t images[%(count)d][%(pixels)d] = {
%(rows)s
};

int main(void)
{
    static float x[1][%(pixels)d], y[1][%(logits)d];
    for (int i = 0; i < %(count)d; ++i) {
        board_begin();
        for (int p = 0; p < %(pixels)d; ++p)
            x[0][p] = images[i][p];
        model(x, y);
        board_end();
        for (int c = 0; c < %(logits)d; ++c) {
            int32_t bits;
            memcpy(&bits, &y[0][c], 4);
            printf("logit %%ld\\n", (long)bits);
        }
    }
    printf("s3nn golden: %%ld of %%ld exact\\n", 0l, (long)%(count)d);
    printf("s3nn board: %%lu instructions an image, %%lu bytes of stack\\n",
           (unsigned long)(board_instructions() / %(count)d), (unsigned long)board_stack_bytes());
    return 0;
}
"""
