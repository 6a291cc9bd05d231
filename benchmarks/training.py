"""What one training step costs: S3NN beside its ReLU and multi-step twins and the other libraries.

Interleaved: each round takes one step of every row, so that a noisy machine disturbs them alike;
medians over the rounds.  Parity is checked before anything is timed; memory is counted after.

    python benchmarks/training.py                               results/training-step/cnn7
    python benchmarks/training.py --precision bf16              results/training-step/cnn7-bf16
    python benchmarks/training.py --model resnet18 --batch 16   results/training-step/resnet18

Each measurement has a folder of its own with result.json and step.svg; README.md is about all.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from s3nn.files import write_text
from s3nn.rivals.missing import NotRunError
from s3nn.training.memory import keep_freed_memory
from s3nn.versions import host, versions
from training_step.architecture import Architecture
from training_step.claims import shows
from training_step.compiling import start_afresh
from training_step.figure import step_cost
from training_step.memory import Memory, memory_of
from training_step.page import write_page
from training_step.parity import Parity, check_row, check_spike
from training_step.peers import PEERS
from training_step.rows import COMPILED, ROWS, build
from training_step.timing import Batch, Seconds, Step, interleaved, stepper, summary


@dataclass(frozen=True)
class Flags:
    """Time one training step of each row, interleaved, and count the memory that it keeps."""

    out: Path = Path("results/training-step")
    model: str = "cnn7"
    width: float = 1.0
    shape: tuple[int, int, int] = (1, 28, 28)
    batch: int = 128
    rounds: int = 15
    warm_up: int = 3
    threads: tuple[int, ...] = (1, 2)
    """Numbers of CPU threads, measured one after the other; on CUDA the last alone."""
    precision: Literal["32", "bf16"] = "32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    rows: tuple[str, ...] = ROWS
    """The rows to measure, relu among them; any row of `s3nn compare` can be one."""
    seed: int = 0


class Benchmark:
    """One measurement: parity, then time for each number of threads, then memory."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        cuda = flags.device == "cuda" or (flags.device == "auto" and torch.cuda.is_available())
        self.device = torch.device("cuda" if cuda else "cpu")
        self.architecture = Architecture(flags.model, flags.width, flags.shape, flags.seed)
        generator = torch.Generator().manual_seed(flags.seed)
        x = torch.randn(flags.batch, *flags.shape, generator=generator)
        y = torch.randint(0, 10, (flags.batch,), generator=generator)
        x = x.to(self.device, memory_format=torch.channels_last)
        self.batch = Batch(x, y.to(self.device), flags.precision)
        self.threads = flags.threads[-1:] if cuda else flags.threads
        self.rows = list(flags.rows)
        self.parity: list[Parity] = []
        self.not_run: list[dict[str, str]] = []

    @property
    def name(self) -> str:
        """The measurement's folder."""
        bf16, cuda = self.flags.precision == "bf16", self.device.type == "cuda"
        return f"{self.flags.model}{'-bf16' * bf16}{'-cuda' * cuda}"

    def check(self) -> None:
        """Parity of every row; rows that cannot run here go, with their reason."""
        check_spike()
        for row in self.flags.rows:
            try:
                parity = check_row(row, self.architecture, self.batch.x, self.batch.y)
            except NotRunError as error:
                self.rows.remove(row)
                reason = {"reason": error.reason, "remedy": error.remedy}
                self.not_run.append({"name": row, **reason})
                _say(f"{row} does not run: {error.reason}")
            else:
                self.parity += [] if parity is None else [parity]

    def time(self, threads: int) -> Seconds:
        """Every row's steps, on networks of its own and with code compiled for these threads."""
        torch.set_num_threads(threads)
        if any(row.endswith(COMPILED) for row in self.rows):
            start_afresh()
        with ExitStack() as held:
            steps = {row: self._step(row, held)[1] for row in self.rows}
            return interleaved(
                *(steps, self.flags.rounds, self.flags.warm_up, self.device),
                lambda text: _say(f"{threads} threads, {text}"),
            )

    def memory(self) -> dict[str, Memory]:
        found = {}
        for row in self.rows:
            with ExitStack() as held:
                network, step = self._step(row, held)
                found[row] = memory_of(network, step, self.batch)
        return found

    def _step(self, row: str, held: ExitStack) -> tuple[torch.nn.Module, Step]:
        network = build(row, self.architecture, held)
        network = network.to(self.device, memory_format=torch.channels_last)
        return network, stepper(network, self.batch)


def measure(flags: Flags) -> tuple[str, dict[str, Any]]:
    """The name of the measurement and what its result.json says."""
    keep_freed_memory()
    benchmark = Benchmark(flags)
    torch.set_num_threads(benchmark.threads[0])
    benchmark.check()
    sections = {threads: benchmark.time(threads) for threads in benchmark.threads}
    memory = benchmark.memory()
    gpu = torch.cuda.get_device_name() if benchmark.device.type == "cuda" else None
    return benchmark.name, {
        "command": f"python benchmarks/training.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"one training step of {flags.model}, width {flags.width}, batch {flags.batch}, "
        f"images {flags.shape}, {'bfloat16 autocast' if flags.precision == 'bf16' else 'float32'}",
        "versions": versions() | _libraries(benchmark.rows),
        "host": host(benchmark.threads[-1], gpu),
        "rounds": flags.rounds,
        "parity": [asdict(parity) for parity in benchmark.parity],
        "sections": [
            {
                "threads": threads,
                "rows": [summary(seconds, row, flags.batch) for row in benchmark.rows],
            }
            for threads, seconds in sections.items()
        ],
        "memory": [
            {
                "name": row,
                "activation_bytes": kept.activations,
                "activations_to_relu": kept.activations / memory["relu"].activations,
                "peak_bytes": kept.peak,
                "peak_to_relu": kept.peak / memory["relu"].peak,
            }
            for row, kept in memory.items()
        ],
        "not_run": benchmark.not_run,
        "shows": shows(sections[benchmark.threads[-1]], memory, benchmark.device.type),
    }


def _libraries(rows: list[str]) -> dict[str, str]:
    return {PEERS[row].library: version(PEERS[row].library) for row in rows if row in PEERS}


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main(flags: Flags) -> int:
    if "relu" not in flags.rows:
        raise SystemExit("every ratio is to relu: name it among the --rows")
    if flags.warm_up < 1:
        raise SystemExit("--warm-up 1 or more: a compiled row's first step compiles")
    name, result = measure(flags)
    write_text(flags.out / name / "result.json", json.dumps(result, indent=2) + "\n")
    write_text(flags.out / name / "step.svg", step_cost(result))
    write_text(flags.out / "README.md", write_page(flags.out))
    for section in result["sections"]:
        for row in section["rows"]:
            print(
                f"{section['threads']} threads  {row['name']:20} {row['median_ms']:8.1f} ms   "
                f"{row['ratio_to_relu']:.2f} x relu"
            )
    for show in result["shows"]:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.3f}")
    return 0 if all(show["holds"] for show in result["shows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
