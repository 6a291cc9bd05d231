"""A folder of images written as shards, whole or not at all; and such a folder checked."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from s3nn.data._listing import Listing, find_classes, find_folder, find_parts, list_part
from s3nn.data._measure import of_histograms
from s3nn.data._pillow import open_upright, to_rgb
from s3nn.data._shards import INDEX, PARTS, Index, Shard, file_sha256, need_webdataset, read_index
from s3nn.data._splits import hold_out
from s3nn.data.base import Places, Raw, Source
from s3nn.errors import DataError, S3nnError, UsageError
from s3nn.files import new_folder, write_text

MOST_VALIDATION = 10_000  # images, held out by default: they are decoded to memory
MEASURED = 10_000  # train images, of which mean and std are taken
QUALITY = 95  # of JPEG
UPRIGHT = (None, 1)  # EXIF orientations that change nothing
ORIENTATION = 0x0112
# Files whose bytes are kept when nothing about the image has to change.
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
Tick = Callable[[int, int], None]  # shards done, of how many


class ImageFiles(Source):
    """The image files of a folder, laid out as for ``folder:PATH``: listed and not opened."""

    shape = (3, 0, 0)

    def __init__(self, path: Path, licence: str) -> None:
        self.path, self.licence = find_folder(path), licence
        self.name = f"folder:{path.resolve().name}"
        self.parts = find_parts(path)
        self.classes = find_classes(path / "train" if self.parts else path)

    def read(self, places: Places | None = None) -> Raw[Listing]:
        source = "the user's folder of images"
        if not self.parts:
            return Raw(list_part(self.path, self.classes), None, None, source)
        found = {part: list_part(self.path / part, self.classes) for part in self.parts}
        return Raw(found["train"], found["test"], found.get("validation"), source)


@dataclass(frozen=True)
class Job:
    """One shard to write: the files of its images, of which the first ``measured`` are measured."""

    path: Path
    first: int
    files: Sequence[Path]
    labels: Sequence[int]
    short_side: int
    measured: int


def write_shards(
    folder: Path,
    out: Path,
    *,
    side: int = 256,
    per_shard: int = 1000,
    validation: int | float | None = None,
    seed: int = 0,
    workers: int = 0,
    licence: str = "the user's own images",
    tick: Tick = lambda done, of: None,
) -> Index:
    """Write the images of ``folder`` as shards into the new folder ``out``; its index.

    Images become RGB, and those whose short side is longer than ``side`` pixels are resized to it
    (bicubic, antialiased) and saved as JPEG; where nothing changes, the file's bytes are kept.
    Train images are shuffled once, over all shards; shards have at most ``per_shard`` images, and
    all of a part as many, or one less.  ``out`` appears when it is complete; whatever happens
    before, nothing is left.

    Parameters
    ----------
    folder: CLASS/IMAGE, or train|validation|test/CLASS/IMAGE, as for ``folder:PATH``.
    validation: train images to hold out where the folder brings none: a count, or a share of them;
        by default as ``folder:PATH`` does, and at most 10,000.
    seed: of the order, and of which images are held out.
    workers: processes that decode and write; 0: this one.  The shards do not depend on it.
    tick: called with the shards done, and how many there are.
    """
    need_webdataset()
    if side < 1 or per_shard < 1 or workers < 0:
        raise UsageError(
            f"side={side} and per_shard={per_shard} must be 1 or more, workers={workers} 0 or more"
        )
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already and is left alone: name a folder that is not")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{out} lies inside of {folder}, where it would pass for a class of images: name a "
            "folder outside of it"
        )
    source = ImageFiles(folder, licence)
    parts = _parts(source, validation, seed)
    with new_folder(out) as place:
        jobs = [
            job
            for part, files in parts.items()
            for job in _jobs(place, part, files, side, per_shard)
        ]
        written = list(_run(jobs, workers, tick))
        shards = {
            part: tuple(shard for shard, _ in written if shard.name.startswith(f"{part}-"))
            for part in parts
        }
        histograms = np.sum([histogram for _, histogram in written], axis=0)
        mean, std = of_histograms(histograms)
        index = Index(
            format="s3nn shards",
            version=1,
            classes=source.classes,
            sizes={part: len(files) for part, files in parts.items()},
            channels=3,
            short_side=side,
            mean=mean,
            std=std,
            measured=min(MEASURED, len(parts["train"])),
            seed=seed,
            licence=licence,
            shards=shards,
        )
        write_text(place / INDEX, index.to_text())
    return index


def check_shards(folder: Path, tick: Tick = lambda done, of: None) -> Index:
    """Hold every shard against its checksum."""
    index = read_index(folder)
    shards = [shard for part in PARTS for shard in index.shards[part]]
    for number, shard in enumerate(shards):
        found = file_sha256(folder / shard.name)
        if found != shard.sha256:
            raise DataError(
                f"{folder / shard.name} has the SHA-256 {found[:12]}..., {INDEX} says "
                f"{shard.sha256[:12]}...: it is damaged, copy it again"
            )
        tick(number + 1, len(shards))
    return index


def _parts(source: ImageFiles, validation: int | float | None, seed: int) -> dict[str, Listing]:
    """The files of each part, those of train in the order in which they are written."""
    raw = source.read()
    if raw.validation is None and validation is None and len(raw.train) > 10 * MOST_VALIDATION:
        validation = MOST_VALIDATION
    train, held, test = hold_out(raw, source, validation, seed)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    return {"train": train[order], "validation": held, "test": test}


def _jobs(place: Path, part: str, files: Listing, side: int, per_shard: int) -> list[Job]:
    count = -(-len(files) // per_shard)
    labels = files.labels.tolist()
    jobs = []
    for number in range(count):
        start, end = (len(files) * n // count for n in (number, number + 1))
        jobs.append(
            Job(
                path=place / f"{part}-{number:06d}.tar",
                first=start,
                files=files.paths[start:end],
                labels=labels[start:end],
                short_side=side,
                measured=max(0, MEASURED - start) if part == "train" else 0,
            )
        )
    return jobs


def _run(jobs: list[Job], workers: int, tick: Tick) -> Iterator[tuple[Shard, NDArray[np.int64]]]:
    """What ``_write_shard`` gives for each job, in order."""
    if workers == 0:
        for number, job in enumerate(jobs):
            written = _write_shard(job)
            tick(number + 1, len(jobs))
            yield written
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), initializer=_leave_interrupts) as pool:
        try:
            for number, written in enumerate(pool.map(_write_shard, jobs)):
                tick(number + 1, len(jobs))
                yield written
        except BrokenProcessPool as error:
            raise S3nnError(
                "a process that wrote shards was killed, perhaps for want of memory: "
                "try fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """An interrupt is for the first process, which lets the others end the shard they are at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_shard(job: Job) -> tuple[Shard, NDArray[np.int64]]:
    """The shard, and how often each value occurs in each channel of its measured images."""
    from webdataset import TarWriter

    histograms = np.zeros((3, 256), dtype=np.int64)
    part = job.path.name.partition("-")[0]
    with job.path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd EXIF data, which is left out
        # A fixed time and owner: the same images give the same bytes.
        with TarWriter(file, encoder=False, mtime=0, user="s3nn", group="s3nn") as tar:
            for number, (path, label) in enumerate(zip(job.files, job.labels, strict=True)):
                image, content, suffix = prepare(path, job.short_side)
                if number < job.measured:
                    pixels = np.asarray(image)
                    for channel, histogram in enumerate(histograms):
                        histogram += np.bincount(pixels[..., channel].reshape(-1), minlength=256)
                key = f"{part}-{job.first + number:08d}"
                tar.write({"__key__": key, suffix: content, "cls": str(label).encode()})
        file.flush()
        os.fsync(file.fileno())
    size, digest = job.path.stat().st_size, file_sha256(job.path)
    return Shard(job.path.name, len(job.files), size, digest), histograms


def prepare(path: Path, short_side: int) -> tuple[Image.Image, bytes, str]:
    """The image of a file as it goes into a shard: in RGB, its file's bytes, and their suffix."""
    content = path.read_bytes()
    image = to_rgb(open_upright(BytesIO(content), str(path)), str(path))
    shortest = min(image.size)
    with Image.open(BytesIO(content)) as header:
        same = header.mode == "RGB" and header.getexif().get(ORIENTATION) in UPRIGHT
        suffix = SUFFIXES.get(header.format or "")
    if same and suffix is not None and shortest <= short_side:
        return image, content, suffix
    if shortest > short_side:
        width, height = (max(1, round(n * short_side / shortest)) for n in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return image, file.getvalue(), "jpg"
