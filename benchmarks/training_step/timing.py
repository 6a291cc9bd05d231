"""Steps under the clock, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Seconds = dict[str, list[float]]
Step = Callable[[], None]


@dataclass(frozen=True)
class Batch:
    """One batch, and in what arithmetic it is computed."""

    x: Tensor
    y: Tensor
    precision: str

    def loss(self, network: nn.Module) -> Tensor:
        with torch.autocast(self.x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return cross_entropy(network(self.x), self.y)


def stepper(network: nn.Module, batch: Batch) -> Step:
    """One whole step: forward (which starts at rest), loss, backward, update."""
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        batch.loss(network).backward()
        optimizer.step()

    return step


def interleaved(
    steps: dict[str, Step],
    rounds: int,
    warm_up: int,
    device: torch.device,
    say: Callable[[str], None],
) -> Seconds:
    """Seconds of every row's steps, one step of each a round, behind ``warm_up`` rounds untimed."""
    seconds: Seconds = {row: [] for row in steps}
    for number in range(warm_up + rounds):
        for row, step in steps.items():
            _wait(device)
            start = time.perf_counter()
            step()
            _wait(device)
            if number >= warm_up:
                seconds[row].append(time.perf_counter() - start)
        say(f"round {number + 1}/{warm_up + rounds}")
    return seconds


def ratios(seconds: Seconds, row: str, other: str) -> list[float]:
    """How many times as long ``row`` takes as ``other``, round by round."""
    return [a / b for a, b in zip(seconds[row], seconds[other], strict=True)]


def ratio(seconds: Seconds, row: str, other: str) -> float:
    """The median of the ratios within a round: what disturbs a round disturbs both."""
    return statistics.median(ratios(seconds, row, other))


def summary(seconds: Seconds, row: str, samples: int) -> dict[str, Any]:
    """What result.json says of a row: the median, and its ratio with the quartiles."""
    median = statistics.median(seconds[row])
    return {
        "name": row,
        "median_ms": 1000 * median,
        "fastest_ms": 1000 * min(seconds[row]),
        "samples_per_s": samples / median,
        "ratio_to_relu": ratio(seconds, row, "relu"),
        "ratio_quartiles": _quartiles(ratios(seconds, row, "relu")),
    }


def _quartiles(values: list[float]) -> list[float]:
    if len(values) < 2:
        return [*values, *values]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
