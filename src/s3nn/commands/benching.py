"""bench: how long a user's own network takes, compiled, beside what would run instead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console
from s3nn.errors import UsageError

if TYPE_CHECKING:
    from s3nn.experiment.trained import Trained
    from s3nn.rivals.clock import Call

CALIBRATION = 512  # training images that the rivals' int8 scales are chosen on
EXACT = 64  # images whose logits are held against the integer reference


@dataclass(frozen=True)
class BenchFlags:
    """Time a compiled run, interleaved with the runtimes that run its ReLU twin."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    twin: Path | None = None
    """The run folder of its ReLU twin; without it, only torch runs beside, the spiking network."""
    bits: Literal[8, 6, 4, 2] = 8
    """Of the hidden weights in compiled form."""
    threads: int = 1
    batch: int = 1
    rounds: int = 50


def bench(words: list[str]) -> None:
    flags = parse(BenchFlags, "bench", words)
    for name in ("threads", "batch", "rounds"):
        least = 2 if name == "rounds" else 1
        if getattr(flags, name) < least:
            raise UsageError(f"--{name} {getattr(flags, name)}: {least} or more")
    import torch

    from s3nn.experiment.compiled import prepare_trained
    from s3nn.experiment.trained import open_run
    from s3nn.rivals.clock import interleaved, ratio, spread

    torch.set_num_threads(flags.threads)
    console = make_console()
    trained = open_run(flags.run)
    there = len(trained.data().test)
    if flags.batch > there:
        raise UsageError(f"--batch {flags.batch}: the test split has {there} images")
    with console.status("compiling and checking"):
        found = prepare_trained(trained, bits=flags.bits)
        program = found.program(flags.threads)
        images = trained.data().test.images[: max(flags.batch, EXACT)].numpy()
        expected = found.quantised.integer.run(images[:EXACT])
        apart = int((program(images[:EXACT]) != expected).sum())
    if apart:
        raise AssertionError(f"{apart} logits are not those of the integer reference")
    ours = f"s3nn compiled, {flags.bits} bits"
    calls: dict[str, Call] = {ours: lambda: program(images[: flags.batch])}
    with console.status("building what runs beside it"):
        beside, left_out = _beside(trained, flags)
    with console.status("timing"):
        times = interleaved(calls | beside, flags.rounds)
    console.print(
        f"{flags.run}: batch {flags.batch}, {flags.threads} threads, "
        f"{100 * found.firing_rate:.1f} % of the neurons fire"
    )
    for name, values in sorted(times.items(), key=lambda item: spread(item[1])["latency_us"]):
        took = spread(values)
        low, high = took["quartiles_us"]
        part = "" if name == ours else f"  {ratio(times, name, ours):5.2f} x the compiled"
        console.print(f"{name:28} {took['latency_us']:10.1f} µs  ({low:.1f} to {high:.1f}){part}")
    for line in left_out:
        console.print(f"not run: {line}", markup=False)


def _beside(trained: Trained, flags: BenchFlags) -> tuple[dict[str, Call], list[str]]:
    """The calls that are timed beside ours, and why others are not."""
    import torch

    from s3nn.data.batches import normalise
    from s3nn.energy import count
    from s3nn.energy.rivalry import check_twin
    from s3nn.experiment.trained import open_run

    if flags.twin is None:
        x = normalise(trained.data().test.images[: flags.batch], trained.mean, trained.std)

        def spiking() -> object:
            with torch.inference_mode():
                return trained.network(x)

        return {"torch fp32, spiking": spiking}, [
            "the runtimes of its ReLU twin: name the twin's run folder with --twin"
        ]
    from s3nn.rivals.engines import engines

    twin = open_run(flags.twin)
    if twin.shape != trained.shape:
        raise UsageError(
            f"the twin reads images {twin.shape}, the run {trained.shape}: give a ReLU network "
            "of the same data"
        )
    blank = torch.zeros(1, *trained.shape)
    check_twin(count(trained.network, [blank]), count(twin.network, [blank]))
    data = twin.data()
    calibration = normalise(
        data.train.first(max(CALIBRATION, flags.batch)), twin.mean, twin.std
    ).numpy()
    x = normalise(data.test.images[: flags.batch], twin.mean, twin.std)
    one = x.contiguous().numpy()
    built, left_out = engines(twin.network, calibration, flags.batch, flags.threads)
    calls: dict[str, Call] = {engine.name: partial(engine.run, one) for engine in built}
    return calls, [f"{each.name}: {each.reason}; {each.remedy}" for each in left_out]
