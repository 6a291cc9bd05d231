"""Batches from shards on disk: read, decoded and cut in processes of their own, epoch by epoch.

What is random follows from (seed, epoch) and, for how an image is cut and mirrored, from its key:
no state is kept, and an epoch can be read again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from s3nn.data._crops import cut, random_box
from s3nn.data._on_disk import Stream
from s3nn.data._shards import Sample, Shard, decode_sample, need_webdataset, read_samples
from s3nn.data.batches import check_parts, scale_and_offset
from s3nn.errors import DataError, S3nnError, UsageError
from s3nn.randomness import seed_of

BUFFER = 1000
Chunk = tuple[Tensor, Tensor]  # uint8 (n, H, W, C), int64 (n,)


class StreamedBatches:
    """An iterable of (x, y): float32 (b, C, H, W), normalised, channels_last, and int64 (b,).

    The contract is that of ``Batches`` with ``drop_last``: every rank sees the same number of
    batches of the same size.  What differs is the order.  An epoch shuffles the shards and deals
    them to the ranks, and a rank's to its workers; each reads its shards from front to end through
    a buffer of ``buffer`` encoded images, from which it draws the next.  So an image is seen at
    most once an epoch, by one rank.  Shards that do not deal out evenly leave some ranks more
    images than others; what is above the least is left out, other images every epoch.

    The same arguments, epoch and number of workers give the same batches bit for bit.

    Parameters
    ----------
    stream: the train split of ``shards:PATH``.
    batch_size: images in a global batch, a multiple of ``world``.
    mean, std: a number a channel, of pixels scaled to 0..1.
    flip: mirror left to right with probability 1/2.
    parts: as many batches are one step's, and none of a partial step is given.
    seed: with the epoch and an image's key, the only source of order and augmentation.
    rank, world: which of how many processes this is.
    workers: how many processes read and decode; 0 does it here, between the steps.
    device: where batches are normalised; bytes travel there, a quarter of the floats.
    crop: pixels a side that a random cut of an image is resized to; by default the stream's.
    buffer: how many encoded images each worker holds to draw from.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        flip: bool = False,
        parts: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        device: torch.device | str = "cpu",
        crop: int | None = None,
        buffer: int = BUFFER,
    ) -> None:
        need_webdataset()
        check_parts(batch_size, rank, world)
        if workers < 0 or buffer < 1:
            raise UsageError(f"workers={workers} must be 0 or more and buffer={buffer} 1 or more")
        if len(stream.shards) < world:
            raise DataError(
                f"{stream.folder} has {len(stream.shards)} train shard(s) for {world} processes, "
                "and each needs one of its own: write it again with a smaller --per-shard"
            )
        self.stream, self.seed, self.rank, self.world = stream, seed, rank, world
        self.flip, self.workers, self.buffer = flip, workers, buffer
        self.crop = stream.shape[1] if crop is None else crop
        self.own_size, self.parts = batch_size // world, parts
        self.device = torch.device(device)
        self.scale, self.offset = scale_and_offset(stream.shape[0], mean, std, self.device)
        self.epoch = 0
        if len(self) == 0:
            raise UsageError(
                f"{len(stream)} images in {len(stream.shards)} shards make no batch of "
                f"{batch_size * parts} for {world} process(es): use a smaller batch (--data.batch)"
            )

    def set_epoch(self, epoch: int) -> None:
        """From the next iteration on, the order and augmentation are those of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches an epoch, the same for every rank and epoch: the least that a rank may get."""
        smallest = sorted(shard.images for shard in self.stream.shards)
        images = sum(smallest[: len(smallest) // self.world])
        return images // (self.own_size * self.parts) * self.parts

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        chunks = _whole(self._chunks(), self.own_size)
        for _, (pixels, labels) in zip(range(len(self)), chunks, strict=False):
            images = pixels.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
            x = torch.mul(images, self.scale).add_(self.offset)
            yield x, labels.to(self.device, non_blocking=True)

    def _chunks(self) -> Iterator[Chunk]:
        """What the workers send: batches, and from each at its end what is left of one."""
        shards = list(self.stream.shards)
        _random(self.seed, self.epoch, "shards").shuffle(shards)
        own = shards[self.rank :: self.world]
        reader = _Reader(self, own)
        workers = min(self.workers, len(own))
        if workers == 0:
            yield from reader.chunks(0, 1)
            return
        loader: DataLoader[Any] = DataLoader(
            reader,
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # else it draws from the one that training draws from
        )
        for sent in loader:
            if isinstance(sent, str):
                raise DataError(sent)
            yield sent


def _whole(chunks: Iterator[Chunk], size: int) -> Iterator[Chunk]:
    """Chunks of just ``size`` images; smaller ones are put together, in order."""
    parts: list[Chunk] = []
    for chunk in chunks:
        if len(chunk[1]) == size:
            yield chunk
            continue
        parts.append(chunk)
        if sum(len(labels) for _, labels in parts) >= size:
            pixels, labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
            yield pixels[:size], labels[:size]
            parts = [(pixels[size:], labels[size:])]


class _Reader(IterableDataset[Any]):
    """What a worker does: read shards, draw, decode, cut, mirror, stack.  It knows no torch device.

    As a data set of torch's it yields, for an error that is the user's to mend, its sentence: torch
    would wrap the error itself into pages of traceback.
    """

    def __init__(self, batches: StreamedBatches, shards: Sequence[Shard]) -> None:
        self.folder, self.classes = batches.stream.folder, batches.stream.classes
        self.shards, self.size = shards, batches.own_size
        self.seed, self.epoch = batches.seed, batches.epoch
        self.flip, self.crop, self.buffer = batches.flip, batches.crop, batches.buffer

    def __iter__(self) -> Iterator[Chunk | str]:
        worker = get_worker_info()
        assert worker is not None
        try:
            yield from self.chunks(worker.id, worker.num_workers)
        except S3nnError as error:
            yield str(error)

    def chunks(self, worker: int, workers: int) -> Iterator[Chunk]:
        pixels, labels = self._empty()
        filled = 0
        for shard, sample in self._shuffled(self.shards[worker::workers]):
            pixels[filled] = self._cut(shard, sample)
            labels[filled] = sample.label
            filled += 1
            if filled == self.size:
                yield torch.from_numpy(pixels), torch.from_numpy(labels)
                pixels, labels = self._empty()
                filled = 0
        if filled:
            yield torch.from_numpy(pixels[:filled]), torch.from_numpy(labels[:filled])

    def _empty(self) -> tuple[np.ndarray, np.ndarray]:
        pixels = np.empty((self.size, self.crop, self.crop, 3), dtype=np.uint8)
        return pixels, np.empty(self.size, dtype=np.int64)

    def _shuffled(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Sample]]:
        from webdataset import shuffle

        samples = (
            (shard, sample)
            for shard in shards
            for sample in read_samples(self.folder / shard.name, shard.images)
        )
        rng = _random(self.seed, self.epoch, ",".join(shard.name for shard in shards))
        shuffled: Iterator[tuple[Shard, Sample]] = shuffle(
            self.buffer, initial=self.buffer, rng=rng
        )(samples)
        return shuffled

    def _cut(self, shard: Shard, sample: Sample) -> np.ndarray:
        rng = _random(self.seed, self.epoch, sample.key)
        image = decode_sample(sample, self.folder / shard.name, self.classes)
        pixels = cut(image, random_box(*image.size, rng), self.crop)
        return pixels[:, ::-1] if self.flip and rng.random() < 0.5 else pixels


def _random(seed: int, epoch: int, what: str) -> random.Random:
    return random.Random(seed_of("stream", seed, epoch, what, size_bytes=8))


def _as_it_is(sent: Any) -> Any:
    return sent
