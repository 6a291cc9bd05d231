"""What is done to a whole batch of training images at once, on the device they are on."""

from __future__ import annotations

import torch
from torch import Tensor


def cutout(x: Tensor, side: int) -> Tensor:
    """``x`` (N, C, H, W) with a square of ``side`` pixels blanked in each image, in place.

    The squares' centres are uniform over the image, so that a square may hang over its border; the
    blank is 0, the mean of normalised images.  Random numbers come from torch's CPU generator.
    Source: DeVries & Taylor, "Cutout", arXiv 1708.04552.
    """
    count, _, height, width = x.shape
    rows = _band(torch.randint(height, (count, 1)), height, side)
    columns = _band(torch.randint(width, (count, 1)), width, side)
    square = (rows[:, None, :, None] & columns[:, None, None, :]).to(x.device)
    return x.masked_fill_(square, 0.0)


def _band(centre: Tensor, size: int, side: int) -> Tensor:
    """Where ``|position - centre|`` is within a band of ``side`` positions: bool (N, size)."""
    start = centre - side // 2
    position = torch.arange(size)
    return (position >= start) & (position < start + side)


def mixup(x: Tensor, alpha: float) -> tuple[Tensor, Tensor, float]:
    """``(share x + (1 - share) x[partner], partner, share)``, the share from Beta(alpha, alpha).

    One share a batch, as the authors do.  ``x`` is (N, ...), ``partner`` int64 (N,).  Random
    numbers come from torch's CPU generator.
    Source: Zhang et al., "mixup", ICLR 2018, arXiv 1710.09412.
    """
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    partner = torch.randperm(len(x)).to(x.device)
    return torch.lerp(x[partner], x, share), partner, share
