"""What one training step costs: S3NN beside its ReLU, binary and multi-step twins.

Interleaved: each round takes one step of every row, so that a noisy machine disturbs them alike;
medians over the rounds.  Parity is checked before anything is timed.

    python benchmarks/training.py --out results/training-step
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import tyro
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from s3nn.config import Model, Run
from s3nn.files import write_text
from s3nn.rows import with_row
from s3nn.surrogates import S3, spike
from s3nn.training.build import build_model
from s3nn.versions import host, versions

MOST_OF_RELU, MOST_OF_LIF = 1.25, 1 / 3


@dataclass(frozen=True)
class Flags:
    """Time one training step of each row, interleaved."""

    out: Path = Path("results/training-step")
    model: str = "cnn7"
    width: float = 1.0
    shape: tuple[int, int, int] = (1, 28, 28)
    batch: int = 32
    rounds: int = 15
    warm_up: int = 3
    threads: int = 2
    rows: tuple[str, ...] = ("relu", "s3nn", "s3nn-int4", "bnn", "lif-t4")
    seed: int = field(default=0)


def check_parity() -> None:
    """The spike and its gradient against the equation, value by value, in float64."""
    u = torch.linspace(-2, 4, 601, dtype=torch.float64, requires_grad=True)
    s = spike(u, 1.0, S3(alpha=4.0, beta=1.0))
    s.sum().backward()
    step = torch.sigmoid(4 * (u.detach() - 1))
    expected = torch.where(u.detach() > 1, 1 / u.detach().clamp(min=1), 4 * step * (1 - step))
    torch.testing.assert_close(s.detach(), (u.detach() > 1).double(), rtol=0, atol=0)
    torch.testing.assert_close(u.grad, expected, rtol=1e-12, atol=1e-12)


def stepper(flags: Flags, row: str, x: Tensor, y: Tensor) -> Callable[[], None]:
    """One whole step of the row's network: forward, loss, backward, update."""
    torch.manual_seed(flags.seed)
    model = with_row(Run(model=Model(name=flags.model, width=flags.width)), row).model
    network: nn.Module = build_model(model, flags.shape, classes=10)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(network(x), y).backward()
        optimizer.step()

    return step


def main(flags: Flags) -> int:
    torch.set_num_threads(flags.threads)
    check_parity()
    generator = torch.Generator().manual_seed(flags.seed)
    x = torch.randn(flags.batch, *flags.shape, generator=generator)
    x = x.to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (flags.batch,), generator=generator)
    steps = {row: stepper(flags, row, x, y) for row in flags.rows}
    seconds: dict[str, list[float]] = {row: [] for row in steps}
    for number in range(flags.warm_up + flags.rounds):
        for row, step in steps.items():
            start = time.perf_counter()
            step()
            if number >= flags.warm_up:
                seconds[row].append(time.perf_counter() - start)
        print(f"round {number + 1}/{flags.warm_up + flags.rounds}", file=sys.stderr)
    medians = {row: statistics.median(times) for row, times in seconds.items()}

    def ratio(row: str, other: str) -> float:
        """The median over rounds of the ratio within a round."""
        pairs = zip(seconds[row], seconds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)

    to_relu, to_lif = ratio("s3nn", "relu"), ratio("s3nn", "lif-t4")
    result = {
        "command": f"python benchmarks/training.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"one training step of {flags.model}, width {flags.width}, batch {flags.batch}, "
        f"images {flags.shape}, {flags.threads} threads, float32",
        "versions": versions(),
        "host": host(flags.threads, None),
        "rounds": flags.rounds,
        "rows": [
            {
                "name": row,
                "median_ms": 1000 * medians[row],
                "fastest_ms": 1000 * min(seconds[row]),
                "samples_per_s": flags.batch / medians[row],
                "ratio_to_relu": ratio(row, "relu"),
            }
            for row in steps
        ],
        "shows": [
            {
                "claim": "a step of s3nn costs at most 1.25 times the ReLU twin's",
                "value": to_relu,
                "bar": MOST_OF_RELU,
                "holds": to_relu <= MOST_OF_RELU,
            },
            {
                "claim": "a step of s3nn costs at most a third of lif-t4's",
                "value": to_lif,
                "bar": MOST_OF_LIF,
                "holds": to_lif <= MOST_OF_LIF,
            },
        ],
    }
    write_text(flags.out / "result.json", json.dumps(result, indent=2) + "\n")
    for row in steps:
        print(f"{row:10} {1000 * medians[row]:8.1f} ms   {ratio(row, 'relu'):.2f} x relu")
    for show in result["shows"]:  # type: ignore[attr-defined]
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.3f}")
    return 0 if to_relu <= MOST_OF_RELU and to_lif <= MOST_OF_LIF else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
