"""Whether the input pipelines keep up: their samples a second beside the steps that they feed.

Interleaved: every round takes some of each row, so that a noisy machine disturbs them alike;
medians over the rounds, and ratios within a round.  Images are generated; parity is checked before
anything is timed.

    python benchmarks/loading.py
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from s3nn.config import Model
from s3nn.data import Batches, Split, load, normalise
from s3nn.data.base import Shape
from s3nn.data.sharding import write_shards
from s3nn.data.stream import StreamedBatches
from s3nn.files import write_text
from s3nn.training.build import build_model
from s3nn.training.memory import keep_freed_memory
from s3nn.versions import host, versions

MEMORY, SMALL_STEP, LARGE_STEP = "memory", "step of cnn7", "step of imagenet_resnet18"
LEAST_OF_SMALL_STEP, LEAST_OF_LARGE_STEP, LEAST_OF_ONE_WORKER = 10.0, 1.0, 1.6
SHARDS = 8
Row = Callable[[], float]  # some of it, in samples a second


@dataclass(frozen=True)
class Flags:
    """Time the input pipelines and the training steps that they feed, interleaved."""

    out: Path = Path("results/loading")
    small: int = 60_000
    """Images of 28x28, in memory, shifted and flipped."""
    small_batch: int = 128
    large: int = 1_000
    """JPEG images in shards, cut at random and flipped; each round reads all of them."""
    side: int = 256
    """Pixels on the short side of the JPEG images."""
    crop: int = 224
    large_batch: int = 64
    width: float = 0.25
    """Of imagenet_resnet18; cnn7 has its full width."""
    workers: tuple[int, ...] = (0, 1, 2, 4)
    rounds: int = 5
    steps: int = 3
    """Training steps a round."""
    threads: int = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0


def paint(folder: Path, flags: Flags) -> None:
    """Images with some detail everywhere, so that they are as large as photographs: 4:3, RGB."""
    rng = np.random.default_rng(flags.seed)
    size = (flags.side * 4 // 3, flags.side)
    parts = {"train": flags.large, "validation": 2, "test": 2}
    for number, part in enumerate(part for part, count in parts.items() for _ in range(count)):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
        grain = rng.normal(0, 12, (flags.side, size[0], 1)).astype(np.int16)
        path = folder / part / "ab"[number % 2] / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def stepper(name: str, width: float, shape: Shape, batch: int, flags: Flags) -> Row:
    """Whole steps of a network of s3nn on one batch: forward, loss, backward, update."""
    device = device_of(flags)
    torch.manual_seed(flags.seed)
    network = build_model(Model(name=name, width=width), shape, 10)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    x = torch.randn(batch, *shape).to(device, memory_format=torch.channels_last)
    y = torch.randint(0, 10, (batch,)).to(device)

    def steps() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(flags.steps):
            optimizer.zero_grad()
            cross_entropy(network(x), y).backward()
            optimizer.step()
            yield x, y

    return lambda: samples_per_s(steps(), device)


def samples_per_s(batches: Iterator[tuple[Tensor, Tensor]], device: torch.device) -> float:
    """From before the first batch, the start of the workers included, until the last is there."""
    count, start = 0, time.perf_counter()
    for _, y in batches:
        count += len(y)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start)


def in_memory(flags: Flags) -> Batches:
    generator = torch.Generator().manual_seed(flags.seed)
    images = torch.randint(0, 256, (flags.small, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (flags.small,), generator=generator)
    return Batches(
        Split(images, labels),
        batch_size=flags.small_batch,
        mean=[0.5],
        std=[0.25],
        flip=True,
        shift=2,
        shuffle=True,
        drop_last=True,
        device=device_of(flags),
    )


def streamed(folder: Path, workers: int, flags: Flags) -> StreamedBatches:
    data = load(f"shards:{folder}", crop=flags.crop)
    return StreamedBatches(
        data.train,
        batch_size=flags.large_batch,
        mean=data.spec.mean,
        std=data.spec.std,
        flip=True,
        seed=flags.seed,
        workers=workers,
        device=device_of(flags),
    )


def check_parity(memory: Batches, folder: Path, flags: Flags) -> None:
    """Batches are the formula's, and a worker's are those of this process, bit for bit."""
    plain = Batches(
        Split(memory.pixels.cpu().permute(0, 3, 1, 2), memory.labels.cpu()),
        batch_size=flags.small_batch,
        mean=[0.5],
        std=[0.25],
    )
    x, _ = next(iter(plain))
    expected = normalise(memory.pixels[: len(x)].cpu().permute(0, 3, 1, 2), [0.5], [0.25])
    torch.testing.assert_close(x, expected, rtol=0, atol=0)
    here, there = (islice(streamed(folder, workers, flags), 3) for workers in (0, 1))
    for own, sent in zip(here, there, strict=True):
        torch.testing.assert_close(own, sent, rtol=0, atol=0)


def device_of(flags: Flags) -> torch.device:
    cuda = flags.device == "cuda" or (flags.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if cuda else "cpu")


def stream_name(workers: int) -> str:
    return f"stream, {workers} worker{'s' * (workers != 1)}"


def epochs(batches: Batches | StreamedBatches, device: torch.device) -> Row:
    """An epoch a round, each another."""

    def epoch() -> float:
        batches.set_epoch(batches.epoch + 1)
        return samples_per_s(iter(batches), device)

    return epoch


def measure(flags: Flags, folder: Path) -> dict[str, list[float]]:
    """Samples a second of every row, round by round, behind one round that is not counted."""
    device = device_of(flags)
    memory = in_memory(flags)
    check_parity(memory, folder, flags)
    rows: dict[str, Row] = {
        MEMORY: epochs(memory, device),
        SMALL_STEP: stepper("cnn7", 1.0, (1, 28, 28), flags.small_batch, flags),
        **{stream_name(n): epochs(streamed(folder, n, flags), device) for n in flags.workers},
        LARGE_STEP: stepper(
            "imagenet_resnet18", flags.width, (3, flags.crop, flags.crop), flags.large_batch, flags
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(flags.rounds + 1):
        for name, row in rows.items():
            rate = row()
            if number:
                found[name].append(rate)
        print(f"round {number}/{flags.rounds}", file=sys.stderr)
    return found


def ratio(found: dict[str, list[float]], row: str, other: str) -> float:
    """The median of the ratios within a round: what disturbs a round disturbs both."""
    return statistics.median(a / b for a, b in zip(found[row], found[other], strict=True))


def shows(found: dict[str, list[float]], flags: Flags) -> list[dict[str, Any]]:
    most = stream_name(max(flags.workers))
    claims = [
        (
            "batches in memory come at least ten times as fast as cnn7 trains on them",
            ratio(found, MEMORY, SMALL_STEP),
            LEAST_OF_SMALL_STEP,
        ),
        (
            f"the {most}, is at least as fast as imagenet_resnet18 of width {flags.width} trains",
            ratio(found, most, LARGE_STEP),
            LEAST_OF_LARGE_STEP,
        ),
    ]
    if {1, 2} <= {*flags.workers}:
        value = ratio(found, stream_name(2), stream_name(1))
        claims.append(
            ("two workers bring at least 1.6 times what one does", value, LEAST_OF_ONE_WORKER)
        )
    return [
        {"claim": claim, "value": value, "bar": bar, "holds": value >= bar}
        for claim, value, bar in claims
    ]


def result(flags: Flags, found: dict[str, list[float]], image_bytes: float) -> dict[str, Any]:
    device = device_of(flags)
    feeds = dict.fromkeys(found, LARGE_STEP) | {MEMORY: SMALL_STEP, SMALL_STEP: SMALL_STEP}
    return {
        "command": f"python benchmarks/loading.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"{flags.small} images of 28x28 in memory, batch {flags.small_batch}; "
        f"{flags.large} JPEG images of {flags.side * 4 // 3}x{flags.side} in {SHARDS} shards "
        f"({image_bytes / 1024:.0f} KiB an image), cut to {flags.crop}x{flags.crop}, batch "
        f"{flags.large_batch}; steps in float32, {flags.threads} threads, on {device.type}",
        "versions": versions() | {name: version(name) for name in ("webdataset", "pillow")},
        "host": host(
            flags.threads, torch.cuda.get_device_name() if device.type == "cuda" else None
        ),
        "rounds": flags.rounds,
        "rows": [
            {
                "name": name,
                "samples_per_s": statistics.median(rates),
                "slowest_per_s": min(rates),
                "fastest_per_s": max(rates),
                "feeds": feeds[name],
                "of_step": ratio(found, name, feeds[name]),
            }
            for name, rates in found.items()
        ],
        "shows": shows(found, flags),
    }


def page(tree: dict[str, Any]) -> str:
    """README.md: the command, the rows, and two paragraphs."""
    lines = ["| row | samples a second | of the step it feeds |", "|---|---:|---:|"]
    lines += [
        f"| {row['name']} | {row['samples_per_s']:,.0f} | {row['of_step']:.2f} |"
        for row in tree["rows"]
    ]
    holds = {True: "It holds", False: "It does not hold"}
    claims = " ".join(
        f"{holds[show['holds']]} that {show['claim']} ({show['value']:.2f}, bar {show['bar']:g})."
        for show in tree["shows"]
    )
    return "\n".join(
        [
            "# Whether the input pipelines keep up\n",
            f"    {tree['command']}\n",
            *lines,
            "",
            f"{tree['what']}; {tree['host']['cpu']}, {tree['host']['cores']} cores. Each round "
            "takes an epoch of every pipeline, from before its first batch (the start of the "
            "workers included) to its last, and some steps of every network on one batch that is "
            f"there already; medians of {tree['rounds']} rounds. Before, a batch is held against "
            "the formula, and a worker's batches against this process's, bit for bit.\n",
            f"{claims} Workers and steps are timed one after the other: where they share the "
            "cores, as on a machine without a GPU, they take them from each other.\n",
        ]
    )


def main(flags: Flags) -> int:
    warnings.filterwarnings("ignore", message=".*suggested max number of worker.*")
    torch.set_num_threads(flags.threads)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as scratch:
        images, folder = Path(scratch) / "images", Path(scratch) / "shards"
        paint(images, flags)
        index = write_shards(images, folder, side=flags.side, per_shard=-(-flags.large // SHARDS))
        size = sum(shard.size_bytes for shard in index.shards["train"])
        tree = result(flags, measure(flags, folder), size / flags.large)
    write_text(flags.out / "result.json", json.dumps(tree, indent=2) + "\n")
    write_text(flags.out / "README.md", page(tree))
    for row in tree["rows"]:
        print(
            f"{row['name']:26} {row['samples_per_s']:12,.0f} /s   {row['of_step']:.2f} x its step"
        )
    for show in tree["shows"]:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.2f}")
    return 0 if all(show["holds"] for show in tree["shows"]) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
