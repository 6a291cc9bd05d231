"""What one inference costs: compiled spiking networks beside the runtimes of their ReLU twin.

Parity is checked before anything is timed.  Calls are interleaved: each round takes one of every
engine, so that a noisy machine disturbs them alike; medians over the rounds, ratios within a round.

    python benchmarks/inference.py --runs S3NN_RUN ... --twin RELU_RUN

Needs the extra `rivals`; an engine that cannot be built here is left out, with the reason.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from inference_run.claims import shows
from inference_run.figure import latency
from inference_run.ours import Ours, accuracy, compiled
from inference_run.sweep import line, sweep
from s3nn.data import Split
from s3nn.data.batches import normalise
from s3nn.experiment.trained import Trained, open_run
from s3nn.files import write_text
from s3nn.rivals.clock import Call, interleaved, ratio, spread
from s3nn.rivals.engines import engines
from s3nn.rivals.parity import Parity, check_parity
from s3nn.versions import host, versions


@dataclass(frozen=True)
class Flags:
    """Time the inference of compiled spiking networks and of their ReLU twin, interleaved."""

    runs: tuple[Path, ...]
    """Folders of trained spiking networks."""
    twin: Path
    """The folder of the ReLU network of the same architecture."""
    out: Path = Path("results/inference")
    bits: tuple[int, ...] = (8, 4)
    """Of the spiking networks' hidden weights."""
    threads: tuple[int, ...] = (1, 2)
    batches: tuple[int, ...] = (1, 64)
    rounds: int = 40
    calibration: int = 512
    """Training images that the rivals' int8 scales are chosen on."""
    images: int = 10_000
    """Test images that accuracies are of, as many as there are at most."""
    exact: int = 1_000
    """Of these, images whose logits are held against the integer reference."""


class Benchmark:
    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.twin = open_run(flags.twin)
        self.ours = [compiled(run, bits) for run in flags.runs for bits in flags.bits]
        data = self.twin.data()
        self.test = Split(data.test.images[: flags.images], data.test.labels[: flags.images])
        self.calibration = _normalised(self.twin, data.train.images[: flags.calibration])
        self.accuracies = {o.name: self._exact(o) for o in self.ours}
        self.left_out: dict[str, dict[str, str]] = {}
        self.parity: dict[str, Parity] = {}

    def _exact(self, ours: Ours) -> float:
        _say(f"{ours.name}: parity")
        images, labels = self.test.images.numpy(), self.test.labels.numpy()
        return accuracy(ours, images, labels, self.flags.exact)

    def time(self, threads: int, batch: int) -> list[dict[str, Any]]:
        """One section: every engine at one number of threads and one batch size."""
        _say(f"{threads} threads, batch {batch}: building")
        rivals, left_out = engines(self.twin.network, self.calibration, batch, threads)
        self.left_out |= {o.name: {"reason": o.reason, "remedy": o.remedy} for o in left_out}
        normal = _normalised(self.twin, self.test.images)
        for engine in rivals:
            if engine.name not in self.parity:
                labels = self.test.labels.numpy()
                self.parity[engine.name] = check_parity(engine, self.twin.network, normal, labels)
        raw = self.test.images[:batch].numpy()
        calls: dict[str, Call] = {o.name: partial(o.program(threads), raw) for o in self.ours}
        one = np.ascontiguousarray(normal[:batch])
        calls |= {engine.name: partial(engine.run, one) for engine in rivals}
        _say(f"{threads} threads, batch {batch}: timing")
        found = interleaved(calls, self.flags.rounds)
        fastest = min((n for n in found if n.endswith("int8")), default=None, key=_median(found))
        return [
            {
                "engine": name,
                "threads": threads,
                "batch": batch,
                **spread(times),
                "accuracy": self._accuracy(name),
                "ratio_to_fastest_int8": None if fastest is None else ratio(found, name, fastest),
            }
            for name, times in found.items()
        ]

    def _accuracy(self, name: str) -> float:
        return self.accuracies[name] if name in self.accuracies else self.parity[name].accuracy


def _median(found: dict[str, list[float]]) -> Any:
    return lambda name: spread(found[name])["latency_us"]


def _normalised(trained: Trained, images: torch.Tensor) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = normalise(images, trained.mean, trained.std).numpy()
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def measure(flags: Flags) -> dict[str, Any]:
    torch.set_num_threads(1)
    benchmark = Benchmark(flags)
    rows: list[dict[str, Any]] = []
    for threads in flags.threads:
        for batch in flags.batches:
            rows += benchmark.time(threads, batch)
    torch.set_num_threads(1)
    _say("sweep")
    swept = {bits: sweep(bits, flags.rounds) for bits in flags.bits}
    run = benchmark.twin.run
    return {
        "command": f"python benchmarks/inference.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"one inference of {run.model.name}, width {run.model.width}, on {run.data.name}",
        "versions": versions(),
        "host": host(max(flags.threads), None),
        "rounds": flags.rounds,
        "images": len(benchmark.test),
        "exact_images": flags.exact,
        "firing_rates": {o.name: o.firing_rate for o in benchmark.ours},
        "rows": rows,
        "parity": [asdict(p) for p in benchmark.parity.values()],
        "left_out": benchmark.left_out,
        "sweep": [{"bits": bits, "rows": found, **line(found)} for bits, found in swept.items()],
        "shows": shows(rows, swept),
    }


def main(flags: Flags) -> int:
    result = measure(flags)
    write_text(flags.out / "result.json", json.dumps(result, indent=2) + "\n")
    write_text(flags.out / "latency.svg", latency(result))
    for row in result["rows"]:
        print(
            f"{row['threads']} threads, batch {row['batch']:3}  {row['engine']:32} "
            f"{row['latency_us']:9.1f} us  {100 * row['accuracy']:.2f} %"
        )
    for show in result["shows"]:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.3f}")
    return 0 if all(show["holds"] for show in result["shows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
