"""The generated C is clean: warnings, sanitizers, memory, calls, on old and new machines."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from s3nn.errors import UsageError
from s3nn.graph.ir import Array, Graph
from s3nn.graph.lower import lower
from s3nn.graph.quantise import quantise
from s3nn.models import Parts
from s3nn.registry import MODELS
from s3nn.runtime.emit import Source, emit
from s3nn.runtime.golden import golden_main
from s3nn.runtime.plan import Convolution, Kernel, firing_rates, plan

NETWORKS = {"cnn7": ((1, 9, 8), 0.5), "resnet18": ((2, 9, 7), 0.125)}
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
STRICT = ("-std=c11", "-O1", *WARNINGS)
X86 = platform.machine() in ("x86_64", "AMD64")
GUARD = 4096  # bytes on both sides of the arena
CLASSES = 5


Integers = tuple[Graph, Array]  # a network and images for it


@pytest.fixture(scope="module")
def networks(randomised: Callable[[nn.Module], nn.Module]) -> dict[str, Integers]:
    found = {}
    for name, (shape, width) in NETWORKS.items():
        model = randomised(MODELS.get(name)(shape, CLASSES, Parts(), width))
        images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
        found[name] = (quantise(lower(model, shape, (0.3,), (0.5,)), 4, images), images)
    return found


def source(network: Integers, vectors: bool) -> Source:
    graph, images = network
    return emit(plan(graph, firing_rates(graph, images)), "net", vectors=vectors)


def installed(name: str) -> str:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    return name


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:] or done.stdout[-3000:]
    return done.stdout


def write(source: Source, folder: Path) -> Path:
    (folder / "net.h").write_text(source.header)
    (folder / "net.c").write_text(source.body)
    return folder / "net.c"


MACHINES = {
    "baseline": (),
    "avx2": ("-mavx2",),
    "native": ("-march=native",),
    "scalar": ("-DS3NN_SCALAR",),
}
# What compilers call of their own accord, of a freestanding program too.
CALLS = {"memcpy", "memset", "memmove", "GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize(
    ("name", "machine", "vectors", "compiler"),
    [
        *[("cnn7", machine, True, c) for machine in MACHINES for c in ("gcc", "clang")],
        *[("cnn7", "native", False, c) for c in ("gcc", "clang")],
        *[("resnet18", "native", True, "clang"), ("resnet18", "baseline", True, "gcc")],
        ("resnet18", "baseline", False, "gcc"),
    ],
)
def test_no_warning(
    networks: dict[str, Integers],
    name: str,
    machine: str,
    vectors: bool,
    compiler: str,
    tmp_path: Path,
) -> None:
    """Of either form; that for vectors also where there are none."""
    if machine == "avx2" and not X86:
        pytest.skip("AVX2 is of x86")
    body, out = write(source(networks[name], vectors), tmp_path), tmp_path / "net.o"
    run(installed(compiler), *STRICT, *MACHINES[machine], "-c", body, "-o", out)
    if shutil.which("nm"):
        calls = {line.split()[-1].lstrip("_") for line in run("nm", "-u", out).splitlines()}
        assert calls <= CALLS


MAIN = """
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD %(guard)d
static _Alignas(64) unsigned char one[NET_ARENA_BYTES + 2 * GUARD];
static _Alignas(64) unsigned char two[NET_ARENA_BYTES + 2 * GUARD];

static int touched(const unsigned char *arena)
{
    for (size_t i = 0; i < GUARD; ++i)
        if (arena[i] != 0xa5 || arena[GUARD + NET_ARENA_BYTES + i] != 0xa5)
            return 1;
    return 0;
}

int main(void)
{
    enum { COUNT = %(count)d };
    uint8_t *images = malloc(COUNT * NET_IMAGE_BYTES); /* of that size, for the sanitizer */
    int32_t *logits = malloc(COUNT * NET_LOGITS * sizeof(int32_t));
    int32_t *again = malloc(NET_LOGITS * sizeof(int32_t));
    if (!images || !logits || !again || fread(images, NET_IMAGE_BYTES, COUNT, stdin) != COUNT)
        return 2;
    memset(one, 0xa5, sizeof one);
    memset(two, 0xa5, sizeof two);
    net_batch(images, COUNT, logits, one + GUARD);
    for (size_t i = COUNT; i-- > 0;) {
        net_run(images + i * NET_IMAGE_BYTES, again, (i %% 2 ? one : two) + GUARD);
        if (memcmp(again, logits + i * NET_LOGITS, NET_LOGITS * sizeof(int32_t)))
            return 3; /* it matters what the arena holds */
    }
    if (touched(one) || touched(two))
        return 4;
    for (size_t i = 0; i < COUNT * NET_LOGITS; ++i)
        printf("%%d\\n", (int)logits[i]);
    free(images);
    free(logits);
    free(again);
    return 0;
}
"""
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize(
    ("name", "vectors", "compiler", "flags"),
    [
        ("cnn7", True, "gcc", (*SANITIZED, "-march=native")),
        ("cnn7", False, "gcc", SANITIZED),
        ("resnet18", True, "gcc", SANITIZED),
        ("resnet18", False, "gcc", ("-O1",)),
        ("cnn7", True, "clang", ("-O1",)),
        ("cnn7", True, "gcc", ("-O1", "-DS3NN_SCALAR")),
        ("cnn7", True, "gcc", ("-O1", "-mavx2")),
    ],
)
def test_the_arena_is_all_it_writes_and_nothing_is_kept_in_it(
    networks: dict[str, Integers],
    name: str,
    vectors: bool,
    compiler: str,
    flags: tuple[str, ...],
    tmp_path: Path,
) -> None:
    if "-mavx2" in flags and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this machine has no AVX2")
    graph, images = networks[name]
    body, main, program = (tmp_path / part for part in ("net.c", "main.c", "program"))
    write(source(networks[name], vectors), tmp_path)
    main.write_text(MAIN % {"guard": GUARD, "count": len(images)})
    run(installed(compiler), "-std=c11", *flags, body, main, "-o", program)
    done = subprocess.run([program], input=images.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    found = np.array(done.stdout.split(), np.int64).reshape(len(images), CLASSES)
    np.testing.assert_array_equal(found, graph.run(images))


def test_every_kernel_is_in_these_networks(networks: dict[str, Integers]) -> None:
    steps = [
        step
        for graph, images in networks.values()
        for step in plan(graph, firing_rates(graph, images)).steps
    ]
    assert {step.kernel for step in steps if isinstance(step, Convolution)} == set(Kernel)


@pytest.mark.parametrize("name", ["", "2fast", "no-dash", "Upper", "a b", "x;y", "é"])
def test_a_name_that_is_none(networks: dict[str, Integers], name: str) -> None:
    with pytest.raises(UsageError, match="is no name for C functions"):
        emit(plan(networks["cnn7"][0]), name)


@pytest.mark.parametrize("name", NETWORKS)
def test_neon_gives_the_same_logits(
    networks: dict[str, Integers], name: str, tmp_path: Path
) -> None:
    compiler, emulator = installed("aarch64-linux-gnu-gcc"), installed("qemu-aarch64")
    graph, images = networks[name]
    made = source(networks[name], vectors=True)
    main = golden_main(made, images, graph.run(images))
    for path, text in (("net.h", made.header), ("net.c", made.body), ("main.c", main)):
        (tmp_path / path).write_text(text)
    flags = ("-std=c11", "-O2", "-static", *WARNINGS, "-o", tmp_path / "check")
    run(compiler, *flags, tmp_path / "net.c", tmp_path / "main.c")
    assert f"{len(images)} of {len(images)} exact" in run(emulator, tmp_path / "check")
