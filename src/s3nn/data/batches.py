"""Batches at memory speed: shuffled, augmented and normalised, a pure function of seed and epoch.

Nothing is kept from batch to batch: the order and the augmentation of an epoch are drawn at once,
for all its images, from (seed, epoch).  A batch is then one gather and one multiply-add, and the
same whether it is reached from the start, after a resume, or by another rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from s3nn.data.base import Split
from s3nn.errors import UsageError
from s3nn.randomness import generator_of


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """``(pixel / 255 - mean) / std`` a channel: uint8 (N, C, H, W) to float32 of the same shape.

    Evaluated as ``pixel * (1 / (255 std)) + (-mean / std)``, in float32; the memory format is kept.

    >>> normalise(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), [0.5], [0.5])
    tensor([[[[-1.,  1.]]]])
    """
    scale, offset = scale_and_offset(images.shape[1], mean, std, images.device)
    return torch.mul(images, scale).add_(offset)


def scale_and_offset(
    channels: int, mean: Sequence[float], std: Sequence[float], device: torch.device
) -> tuple[Tensor, Tensor]:
    """``1 / (255 std)`` and ``-mean / std``, each float32 of shape (1, C, 1, 1)."""
    if not channels == len(mean) == len(std):
        raise UsageError(
            f"normalise got {channels} channels, {len(mean)} means and {len(std)} stds: "
            "one mean and one std a channel are needed"
        )
    if not all(value > 0 for value in std):
        raise UsageError(f"normalise needs std > 0 in each channel, got {tuple(std)}")
    scale = torch.tensor([1 / (255 * s) for s in std], device=device)
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
    return scale.float().view(1, -1, 1, 1), offset.float().view(1, -1, 1, 1)


@dataclass(frozen=True, eq=False)
class Draw:
    """What is random in an epoch of N images, by position in its order.

    Fields
    ------
    order: which image stands at each position, int64 (N,).
    flip: whether it is mirrored left to right, bool (N,).
    rows, columns: by how many pixels its content moves up and left, int64 (N,).
    """

    order: Tensor
    flip: Tensor
    rows: Tensor
    columns: Tensor


def draw(number: int, *, seed: int, epoch: int, shuffle: bool, flip: bool, shift: int) -> Draw:
    """The random numbers of one epoch: a pure function of its arguments."""
    generator = generator_of("batches", seed, epoch)
    permutation = torch.randperm(number, generator=generator)
    mirrored = torch.rand(number, generator=generator) < 0.5
    moves = torch.randint(-shift, shift + 1, (2, number), generator=generator)
    return Draw(
        order=permutation if shuffle else torch.arange(number),
        flip=mirrored if flip else torch.zeros(number, dtype=torch.bool),
        rows=moves[0],
        columns=moves[1],
    )


def augment(images: Tensor, flip: Tensor, rows: Tensor, columns: Tensor, shift: int) -> Tensor:
    """Mirrored where ``flip``, then moved up and left by ``rows``, ``columns``; zeros come in.

    Parameters
    ----------
    images: uint8 (N, C, H, W); the result has the same shape, in channels_last memory format.
    flip: bool (N,).
    rows, columns: int64 (N,) in -shift..shift.
    """
    count, channels, height, width = images.shape
    padded = functional.pad(images.permute(0, 2, 3, 1), (0, 0, shift, shift, shift, shift))
    wide, high = width + 2 * shift, height + 2 * shift
    device = images.device
    row = torch.arange(height, device=device) + (rows + shift)[:, None]
    column = torch.arange(width, device=device) + (columns + shift)[:, None]
    # The padding is symmetric, so that mirroring the padded image is mirroring the index.
    column = torch.where(flip[:, None], wide - 1 - column, column)
    base = torch.arange(count, device=device)[:, None] * high + row
    index = (base[:, :, None] * wide + column[:, None, :]).view(-1)
    pixels = padded.reshape(-1, channels).index_select(0, index)
    return pixels.view(count, height, width, channels).permute(0, 3, 1, 2)


def check_parts(batch_size: int, rank: int, world: int) -> None:
    """``UsageError`` unless a global batch parts evenly among ``world`` ranks, ``rank`` of them."""
    if world < 1 or not 0 <= rank < world:
        raise UsageError(f"rank={rank} of world={world}: ranks go from 0 to world - 1")
    if batch_size < 1 or batch_size % world:
        raise UsageError(
            f"batch_size={batch_size} is the global batch and must be a multiple of "
            f"world={world} processes, at least one image each: try "
            f"{max(1, round(batch_size / world)) * world}"
        )


class Batches:
    """An iterable of (x, y): float32 (b, C, H, W), normalised, and int64 (b,).

    ``batch_size`` is that of the global batch; rank r of ``world`` gets its contiguous part of
    each.  The union over the ranks is just what a single process would get, augmentation included.

    All ranks see the same number of batches.  The last global batch may be partial: m images go to
    the ranks in parts that differ by one at most, each image once.  Only where m < world is that
    impossible; then the ranks that would go empty repeat one of the m images, and ``repeated``
    says how many there are (0 otherwise).  Train with ``drop_last`` for equal parts throughout.

    Parameters
    ----------
    split: the images; they are held on ``device`` as uint8 and normalised a batch at a time.
    batch_size: images in a global batch, a multiple of ``world``.
    mean, std: a number a channel, of pixels scaled to 0..1.
    flip: mirror left to right with probability 1/2.
    shift: move by up to so many pixels in each direction, uniformly; black (pixel 0) comes in.
    shuffle: a new order each epoch; ``set_epoch`` says which epoch it is.
    drop_last: leave the partial batch at the end out.
    parts: with ``drop_last``, as many batches are one step's, and none of a partial step is given.
    seed: with the epoch, the only source of order and augmentation.
    rank, world: which of how many processes this is.
    channels_last: the memory format of x.

    >>> split = Split(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), torch.arange(10))
    >>> batches = Batches(split, batch_size=4, mean=[0.0], std=[1.0])
    >>> [y.tolist() for x, y in batches]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        flip: bool = False,
        shift: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        parts: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
        channels_last: bool = True,
    ) -> None:
        height, width = split.images.shape[2:]
        check_parts(batch_size, rank, world)
        if not 0 <= shift < min(height, width):
            raise UsageError(
                f"shift={shift} must be from 0 to less than the image, {height}x{width} pixels"
            )
        if len(split) < (batch_size * parts if drop_last else 1):
            raise UsageError(
                f"{len(split)} images make no batch of {batch_size * parts} "
                f"(drop_last={drop_last}): use a smaller batch (--data.batch)"
            )
        # Pixels with their channels last: then a gather yields channels_last batches for nothing.
        self.pixels = split.images.to(device).permute(0, 2, 3, 1).contiguous()
        self.labels = split.labels.to(device)
        channels, device = split.images.shape[1], self.pixels.device
        self.scale, self.offset = scale_and_offset(channels, mean, std, device)
        self.batch_size, self.parts = batch_size, parts
        self.flip, self.shift, self.shuffle = flip, shift, shuffle
        self.drop_last, self.seed, self.rank, self.world = drop_last, seed, rank, world
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """From the next iteration on, the order and augmentation are those of ``epoch``."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches an epoch, the same for every rank."""
        number = len(self.labels)
        if self.drop_last:
            return number // (self.batch_size * self.parts) * self.parts
        return -(-number // self.batch_size)

    @property
    def repeated(self) -> int:
        """How many images an epoch counts twice over all ranks, so that no rank goes empty."""
        last = 0 if self.drop_last else len(self.labels) % self.batch_size
        return max(0, self.world - last) if last else 0

    def positions(self, batch: int) -> slice:
        """Which positions of the epoch's order this rank takes in the global batch ``batch``."""
        start = batch * self.batch_size
        size = min(self.batch_size, len(self.labels) - start)
        if size < self.world:
            own = start + self.rank % size
            return slice(own, own + 1)
        return slice(
            start + size * self.rank // self.world, start + size * (self.rank + 1) // self.world
        )

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        drawn = draw(
            len(self.labels),
            seed=self.seed,
            epoch=self.epoch,
            shuffle=self.shuffle,
            flip=self.flip,
            shift=self.shift,
        )
        # Moved to the device once an epoch: a copy a batch would make a GPU wait for the host.
        order, flip, rows, columns = (
            table.to(self.pixels.device)
            for table in (drawn.order, drawn.flip, drawn.rows, drawn.columns)
        )
        for batch in range(len(self)):
            own = self.positions(batch)
            images = self.pixels.index_select(0, order[own]).permute(0, 3, 1, 2)
            if self.flip or self.shift:
                images = augment(images, flip[own], rows[own], columns[own], self.shift)
            images = images.contiguous(memory_format=self.memory_format)
            x = torch.mul(images, self.scale).add_(self.offset)
            yield x, self.labels.index_select(0, order[own])
