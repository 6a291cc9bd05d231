"""The same C on emulated microcontrollers, bit for bit."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from s3nn.errors import UsageError
from s3nn.graph.lower import lower
from s3nn.graph.quantise import quantise
from s3nn.models import Parts
from s3nn.native import find_compiler
from s3nn.registry import MODELS
from s3nn.runtime.boards import (
    BOARDS,
    BoardError,
    Elf,
    build,
    build_texts,
    measure,
    missing_tools,
    run,
)
from s3nn.runtime.emit import Source, emit
from s3nn.runtime.golden import Sizes, bare_main, golden_main, sizes
from s3nn.runtime.layout import packed_weights, packing
from s3nn.runtime.plan import Plan, firing_rates, plan

SHAPE, IMAGES = (1, 8, 8), 4
# Between them: weights of 2 bits trained as such, of 4 and of 8, lists of one row and of several.
NETWORKS = (
    ("mlp", 0.1, "real", 4),
    ("cnn7", 0.15, "real", 8),
    ("cnn7", 0.15, "integer(bits=2)", 4),
    ("cnn7", 0.15, "real", 4),
)


@cache
def compiled(
    name: str, width: float, synapse: str, bits: int
) -> tuple[Plan, Source, np.ndarray, np.ndarray, dict[str, float]]:
    torch.manual_seed(0)
    network = MODELS.get(name)(SHAPE, 10, Parts(synapse=synapse), width)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    images = np.random.default_rng(0).integers(0, 256, (32, *SHAPE), dtype=np.uint8)
    graph = quantise(lower(network.double().eval(), SHAPE), bits, images)
    made = plan(graph)
    golden = images[:IMAGES]
    rates = firing_rates(graph, images)
    return made, emit(made, "net", vectors=False), golden, graph.run(golden), rates


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{n[0]}-{n[2]}-{n[3]}")
@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda b: b.name)
def test_golden_vectors_on_a_board(board, network, tmp_path: Path) -> None:
    if missing := missing_tools(board):
        pytest.skip(f"no {', '.join(missing)}: apt-get install {' '.join(board.packages)}")
    _, source, images, logits, _ = compiled(*network)
    measured = measure(board, build(board, source, golden_main(source, images, logits), tmp_path))
    assert (measured.exact, measured.images) == (IMAGES, IMAGES)
    assert 1000 < measured.instructions < 1_000_000
    assert 100 < measured.stack_bytes < 4096
    bare = build(board, source, bare_main(source), tmp_path)
    assert source.weight_bytes < bare.flash_bytes < 64 * 1024
    assert source.arena_bytes < bare.ram_bytes + measured.stack_bytes < 16 * 1024


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda b: b.name)
def test_a_board_counts_instructions(board, tmp_path: Path) -> None:
    """A loop of 100,000 rounds of two instructions, and a few of reading the count."""
    if missing := missing_tools(board):
        pytest.skip(f"no {', '.join(missing)}: apt-get install {' '.join(board.packages)}")
    measured = measure(board, build_texts(board, {"main.c": _LOOP}, tmp_path))
    assert measured.instructions == pytest.approx(2 * 100_000, abs=200)


def test_golden_vectors_on_this_machine(tmp_path: Path) -> None:
    _, source, images, logits, _ = compiled(*NETWORKS[0])
    assert _on_host(source, images, logits, tmp_path) == (
        0, f"s3nn golden: {IMAGES} of {IMAGES} exact\n"
    )  # fmt: skip
    wrong = logits.copy()
    wrong[2, 7] += 1
    code, said = _on_host(source, images, wrong, tmp_path)
    assert code == 1
    assert said.splitlines() == [
        f"s3nn golden: image 2, logit 7 is {logits[2, 7]} and should be {wrong[2, 7]}",
        f"s3nn golden: {IMAGES - 1} of {IMAGES} exact",
    ]


def _on_host(source: Source, images, logits, folder: Path) -> tuple[int, str]:
    (folder / "net.h").write_text(source.header)
    (folder / "net.c").write_text(source.body)
    (folder / "main.c").write_text(golden_main(source, images, logits))
    warnings = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-O1")
    command = [*find_compiler(), *warnings, "net.c", "main.c", "-o", "golden"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run([folder / "golden"], capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout


def test_golden_vectors_that_are_none() -> None:
    _, source, images, logits, _ = compiled(*NETWORKS[0])
    with pytest.raises(UsageError, match="golden vectors are uint8 images"):
        golden_main(source, images, logits[:1])


def test_a_program_that_fails_on_its_board(tmp_path: Path) -> None:
    board = BOARDS["cortex_m4f"]
    if missing := missing_tools(board):
        pytest.skip(f"no {', '.join(missing)}")
    failing = build_texts(board, {"main.c": "int main(void) { return 3; }"}, tmp_path)
    with pytest.raises(BoardError, match="exit code 3"):
        run(board, failing)
    endless = build_texts(board, {"main.c": "int main(void) { for (;;) {} }"}, tmp_path)
    with pytest.raises(BoardError, match="no end after 1 s"):
        run(board, endless, timeout_s=1)


def test_sizes_of_a_program() -> None:
    elf = Elf(Path("a"), text_bytes=100, data_bytes=20, bss_bytes=3)
    assert (elf.flash_bytes, elf.ram_bytes) == (120, 23)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_packed_weights_unpack(bits: int) -> None:
    half = 2 ** (bits - 1)
    weight = np.random.default_rng(bits).integers(-half, half, (11, 3, 2, 2), dtype=np.int8)
    weight[0, 0, 0, 0] = -half
    found = packing(weight)
    assert found.bits == bits
    words = packed_weights(weight, found)
    words = words[: 2 * 2 * 3 * found.row].reshape(2, 2, 3, found.row)
    lanes = 32 // found.lane
    for channel in range(11):
        word, field = divmod(channel, found.fields)
        place = field % lanes * found.lane + field // lanes * bits
        values = (words[..., word] >> place & (2**bits - 1)).astype(int) - half
        assert (values.transpose(2, 0, 1) == weight[channel]).all()


def test_sizes_count_what_spikes_reach() -> None:
    made, source, _, _, rates = compiled("mlp", 0.1, "real", 4)
    found = sizes(made, source, rates, code_bytes=1000)
    hidden = (40 * rates[made.steps[0].output.name], 40 * rates[made.steps[1].output.name])
    assert found == Sizes(
        source.weight_bytes + 1000, source.arena_bytes, hidden[0] * 40 + hidden[1] * 10, 64 * 40
    )
    with pytest.raises(UsageError, match="no firing rate for"):
        sizes(made, source, {})


def test_sizes_leave_out_padding() -> None:
    """The first convolution of 3 x 3 on 8 x 8 pixels reads 22 x 22 pairs of rows and columns."""
    made, source, _, _, rates = compiled(*NETWORKS[1])
    found = sizes(made, source, rates)
    channels = len(made.steps[0].weight)
    assert found.multiplications >= 22 * 22 * channels
    assert found.flash_bytes == source.weight_bytes


_LOOP = """
#include <stdio.h>
#include "board.h"

static void loop(unsigned long rounds)
{
#ifdef __riscv
    __asm__ volatile("1: addi %0, %0, -1\\n bnez %0, 1b" : "+r"(rounds));
#else
    __asm__ volatile("1: subs %0, %0, #1\\n bne 1b" : "+r"(rounds) : : "cc");
#endif
}

int main(void)
{
    board_begin();
    loop(100000);
    board_end();
    printf("s3nn golden: 1 of 1 exact\\n");
    printf("s3nn board: %lu instructions an image, %lu bytes of stack\\n",
           (unsigned long)board_instructions(), (unsigned long)board_stack_bytes());
    return 0;
}
"""
