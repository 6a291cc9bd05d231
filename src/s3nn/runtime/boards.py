"""Emulated microcontrollers: generated C built for one, run on it, and counted."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from s3nn.errors import S3nnError, UsageError
from s3nn.native import CompilerError
from s3nn.runtime.emit import Source

TIMEOUT_S = 60.0
FLAGS = (
    "-std=c11", "-O3", "-Wall", "-Wextra", "-ffunction-sections", "-fdata-sections",
    "-fno-builtin-printf",  # not to become a puts that the boards do not have
)  # fmt: skip
LINK = ("-nostartfiles", "-Wl,--gc-sections")
# A shift of 0 lets an instruction take one nanosecond of the emulated clock, so that what counts
# time counts instructions.
EMULATE = ("-icount", "shift=0", "-nographic", "-monitor", "none", "-serial", "none")
HOST = ("-semihosting-config", "enable=on,target=native", "-kernel")


class BoardError(S3nnError, RuntimeError):
    """A program that did not end well on its board."""


@dataclass(frozen=True)
class Board:
    """A microcontroller in an emulator.

    ``prefix`` stands in front of the names of its tools, ``flags`` choose its processor; ``start``
    is its own C and ``memory`` its linker script, both in the folder ``boards``.
    """

    name: str
    processor: str
    prefix: str
    flags: tuple[str, ...]
    start: str
    memory: str
    emulator: tuple[str, ...]
    packages: tuple[str, ...]
    libraries: tuple[str, ...] = ()

    @property
    def compiler(self) -> str:
        return f"{self.prefix}gcc"

    @property
    def tools(self) -> tuple[str, ...]:
        return (self.compiler, f"{self.prefix}size", self.emulator[0])


_ARM = ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm")
_RISCV = ("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf", "qemu-system-misc")

BOARDS = {
    board.name: board
    for board in (
        Board(
            "cortex_m4f", "Cortex-M4F", "arm-none-eabi-",
            ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
            "cortex_m.c", "mps2.ld", ("qemu-system-arm", "-M", "mps2-an386"), _ARM,
            ("--specs=nano.specs",),
        ),
        Board(
            "cortex_m7", "Cortex-M7", "arm-none-eabi-",
            ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
            "cortex_m.c", "mps2.ld", ("qemu-system-arm", "-M", "mps2-an500"), _ARM,
            ("--specs=nano.specs",),
        ),
        Board(
            "rv32imac", "RV32IMAC", "riscv64-unknown-elf-",
            (
                # An older specification has the counters in the base set; named apart, as newer
                # ones have them, gcc 12 does not find the library that fits.
                "-march=rv32imac", "-misa-spec=2.2", "-mabi=ilp32", "-mcmodel=medany",
                "--specs=picolibc.specs",
            ),
            "rv32.c", "virt.ld", ("qemu-system-riscv32", "-M", "virt", "-bios", "none"), _RISCV,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Elf:
    """A program for a board; sizes as the board's ``size`` says, the stack not among them."""

    path: Path
    text_bytes: int
    data_bytes: int
    bss_bytes: int

    @property
    def flash_bytes(self) -> int:
        return self.text_bytes + self.data_bytes

    @property
    def ram_bytes(self) -> int:
        return self.data_bytes + self.bss_bytes


@dataclass(frozen=True)
class Measured:
    """What a run of ``golden_main`` printed: instructions an image, the deepest stack."""

    exact: int
    images: int
    instructions: int
    stack_bytes: int


def missing_tools(board: Board) -> tuple[str, ...]:
    """What has to be installed before programs for a board can be built and run."""
    return tuple(tool for tool in board.tools if shutil.which(tool) is None)


def build(board: Board, source: Source, main: str, folder: Path) -> Elf:
    """The program of ``source`` and a ``main``, built in a folder."""
    texts = {f"{source.name}.h": source.header, f"{source.name}.c": source.body, "main.c": main}
    return build_texts(board, texts, folder)


def build_texts(
    board: Board, texts: dict[str, str], folder: Path, flags: Sequence[str] = ()
) -> Elf:
    """The program of C files by name, among them one with ``main``, and the board's own."""
    if missing := missing_tools(board):
        raise UsageError(
            f"{board.processor} needs {', '.join(missing)}: install {' '.join(board.packages)}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    program = folder / f"{board.name}.elf"
    with resources.as_file(resources.files(__package__) / "boards") as own:
        _call(
            board.compiler, *FLAGS, *board.flags, *LINK, *board.libraries, *flags,
            "-DS3NN_BOARD", f"-I{folder}", f"-I{own}", f"-L{own}", f"-T{own / board.memory}",
            *(str(folder / name) for name in texts if name.endswith(".c")),
            str(own / "board.c"), str(own / board.start), "-o", str(program), "-lm",
        )  # fmt: skip
    said = _call(f"{board.prefix}size", str(program)).splitlines()[1].split()
    return Elf(program, *map(int, said[:3]))


def run(board: Board, elf: Elf, timeout_s: float = TIMEOUT_S) -> str:
    """What a program prints; one that does not return 0, or in time, is a ``BoardError``."""
    command = [*board.emulator, *EMULATE, *HOST, str(elf.path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise BoardError(f"{board.processor}: no end after {timeout_s:.0f} s") from late
    said = done.stdout + done.stderr
    if done.returncode:
        raise BoardError(f"{board.processor}: exit code {done.returncode}: {said.strip()[-2000:]}")
    return said


def measure(board: Board, elf: Elf, timeout_s: float = TIMEOUT_S) -> Measured:
    """Run a program of ``golden_main`` and read what it says.

    Instructions are the emulator's count of those executed: exact on RISC-V, on Cortex-M a multiple
    of 40 an image before the mean is taken.  They are no cycles: a load, a branch or flash that
    waits takes more than one on a real chip.
    """
    said = run(board, elf, timeout_s)
    golden, counted = (_found(pattern, said) for pattern in (_GOLDEN, _COUNTED))
    return Measured(*golden, *counted)


_GOLDEN = r"s3nn golden: (\d+) of (\d+) exact"
_COUNTED = r"s3nn board: (\d+) instructions an image, (\d+) bytes of stack"


def _found(pattern: str, text: str) -> tuple[int, int]:
    found = re.search(pattern, text)
    if found is None:
        raise BoardError(f"no line like {pattern!r} in {text[-2000:]!r}")
    return int(found[1]), int(found[2])


def _call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompilerError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
