"""shard: a folder of images as archives that training streams from disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from s3nn.commands.flags import parse
from s3nn.errors import UsageError
from s3nn.files import check_folder_place

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class ShardFlags:
    """Write a folder of images as shards that training streams from disk, or check such shards."""

    folder: Annotated[Path | None, tyro.conf.Positional] = None
    """Images as CLASS/IMAGE, or as train/CLASS/IMAGE with test, and perhaps validation, beside."""
    out: Annotated[Path | None, tyro.conf.Positional] = None
    """The folder to write, which must not exist yet."""
    check: Path | None = None
    """Write nothing: hold the shards of this folder against their checksums."""
    side: int = 256
    """Images whose short side is longer are resized to so many pixels."""
    per_shard: int = 1000
    """The most images in one file."""
    validation: float | None = None
    """Train images to hold out: a count, or a share below 1 (default: as folder:PATH, at most
    10,000)."""
    seed: int = 0
    """The order of the train images, and which are held out, follow from it."""
    workers: int = 0
    """Processes that decode and write; 0: this one."""
    licence: str = "the user's own images"
    """Under which terms the images come; it stands in every report."""


def shard(words: list[str]) -> None:
    flags = parse(ShardFlags, "shard", words)
    if flags.check is not None:
        if flags.folder is not None:
            raise UsageError("s3nn shard --check OUT reads OUT alone: leave the other folders out")
        from s3nn.data.sharding import check_shards

        with _progress("checked") as tick:
            index = check_shards(flags.check, tick)
        print(f"{flags.check}: whole, {_in_words(index.sizes)}")
        return
    if flags.folder is None or flags.out is None:
        raise UsageError("s3nn shard needs a folder of images and one to write: shard FOLDER OUT")
    from s3nn.data import count_or_share
    from s3nn.data.sharding import write_shards

    check_folder_place(flags.out)
    try:
        with _progress("written") as tick:
            index = write_shards(
                flags.folder,
                flags.out,
                side=flags.side,
                per_shard=flags.per_shard,
                validation=count_or_share(flags.validation),
                seed=flags.seed,
                workers=flags.workers,
                licence=flags.licence,
                tick=tick,
            )
    except KeyboardInterrupt:
        print("s3nn: interrupted; nothing was written", file=sys.stderr)
        raise SystemExit(130) from None
    print(f"{flags.out}: {_in_words(index.sizes)}; train on it with --data.name shards:{flags.out}")


def _in_words(sizes: dict[str, int]) -> str:
    return ", ".join(f"{number} {part}" for part, number in sizes.items()) + " images"


@contextmanager
def _progress(done: str) -> Iterator[Tick]:
    """A bar on a terminal; elsewhere a line whenever another tenth is done, on standard error."""
    if not sys.stderr.isatty():
        yield lambda number, of: _line(done, number, of)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"shards {done}", total=None)
        yield lambda number, of: progress.update(bar, completed=number, total=of)


def _line(done: str, number: int, of: int) -> None:
    if 10 * number // of > 10 * (number - 1) // of:
        print(f"[s3nn] {number} of {of} shards {done}", file=sys.stderr, flush=True)
