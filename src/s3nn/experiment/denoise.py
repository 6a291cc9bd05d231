"""A trained denoiser on pictures of any size, grey or in colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from s3nn.data.batches import normalise
from s3nn.errors import UsageError
from s3nn.experiment.trained import Trained, open_run
from s3nn.tasks import Denoising

TILE = 192


@dataclass(frozen=True)
class Denoiser:
    """A network that was trained to find noise, and the task that it was trained on."""

    trained: Trained
    task: Denoising

    def __call__(self, picture: Tensor) -> Tensor:
        """``picture``, uint8 (C, H, W), without its noise: (C, H, W) in 0..1."""
        return self._as_picture(self._without_noise(self._planes(picture)))

    def noisy(self, picture: Tensor, sigma: float, seed: int) -> tuple[Tensor, Tensor]:
        """``picture`` with noise of ``sigma`` grey levels, and what the network makes of it.

        The network gets the noise as it is; the picture that is returned is clipped.
        """
        x = self._planes(picture)
        noise = torch.Generator().manual_seed(seed)
        shown, _ = replace(self.task, sigma=sigma).pose(x, torch.zeros(len(x)), noise)
        cleaned = self._without_noise(shown)
        return self._as_picture(self.task.pixels(shown)), self._as_picture(cleaned)

    def _planes(self, picture: Tensor) -> Tensor:
        """A picture as the network takes it: a network of grey levels gets colours one by one."""
        own, channels = self.trained.shape[0], picture.shape[0]
        if own not in (1, channels):
            raise UsageError(
                f"the network takes {own} channels and the picture has {channels}: save it as "
                f"{'RGB' if own == 3 else 'grey'} first"
            )
        batch = picture[None] if own == channels else picture[:, None]
        return normalise(batch, self.trained.mean, self.trained.std)

    def _without_noise(self, shown: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.task.says(shown, answer_in_tiles(self.trained.network, shown, TILE))

    def _as_picture(self, planes: Tensor) -> Tensor:
        return planes.reshape(-1, *planes.shape[2:])


def open_denoiser(folder: Path) -> Denoiser:
    """The denoiser of a run folder; a run of another task is a ``UsageError``."""
    trained = open_run(folder)
    task = trained.task
    if not isinstance(task, Denoising):
        raise UsageError(
            f"{folder} is no denoiser, its task is {trained.run.task}: train one, "
            "s3nn train photos_dncnn"
        )
    return Denoiser(trained, task)


def answer_in_tiles(network: torch.nn.Module, x: Tensor, tile: int) -> Tensor:
    """What ``network`` answers to ``x`` (N, C, H, W), piece by piece, so that memory stays small.

    Every piece of ``tile`` pixels a side is computed with what its pixels see around it (the
    network's ``reach``), so that the answer is the one to the whole, but for rounding.  A network
    without a reach takes images of its own size only.
    """
    reach, own = getattr(network, "reach", None), getattr(network, "input_shape", None)
    if reach is None:
        if own is not None and tuple(x.shape[1:]) != tuple(own):
            raise UsageError(
                f"this network takes images of {own[1]}x{own[2]} pixels, got "
                f"{x.shape[2]}x{x.shape[3]}: cut or scale the image, or train a dncnn"
            )
        whole: Tensor = network(x)
        return whole
    answer = torch.empty_like(x)
    for rows, seen_rows in _pieces(x.shape[2], tile, reach):
        for columns, seen_columns in _pieces(x.shape[3], tile, reach):
            found = network(x[:, :, seen_rows, seen_columns])
            inner_rows = slice(rows.start - seen_rows.start, rows.stop - seen_rows.start)
            inner = slice(columns.start - seen_columns.start, columns.stop - seen_columns.start)
            answer[:, :, rows, columns] = found[:, :, inner_rows, inner]
    return answer


def _pieces(size: int, tile: int, reach: int) -> Iterator[tuple[slice, slice]]:
    """The pieces of an axis, and what is seen from each of them."""
    for start in range(0, size, tile):
        stop = min(start + tile, size)
        yield slice(start, stop), slice(max(0, start - reach), min(size, stop + reach))
