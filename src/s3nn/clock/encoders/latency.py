"""Intensity as the time of a single spike."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from s3nn.clock.encoders.base import Encoder, Shape
from s3nn.errors import UsageError
from s3nn.graph.ir import Edge

__all__ = ["Latency"]


class Latency(Encoder):
    """One spike a pixel, the earlier the brighter; a pixel of intensity ``least`` or less has none.

    Linear (``tau=0``)::

        t(x) = round((1 - x)(T - 1))

    Logarithmic, the time at which a leaky membrane of time constant tau steps that is driven by x
    reaches ``least`` > 0 (later than the last step: no spike)::

        t(x) = floor(tau ln(x / (x - least)))

    With ``side`` the image is first scaled to so many pixels a side, means of those they cover.

    Sources: Liu et al., "SSTDP", Front. Neurosci. 15 (2021) 756876 (linear); Cramer et al.,
    "Surrogate gradients for analog neuromorphic computing", PNAS 119 (2022) (logarithmic).

    >>> x = torch.tensor([1.0, 0.5, 0.0]).view(1, 1, 1, 3)
    >>> Latency(steps=3)(x).view(3, 3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    emits = Edge.SPIKE

    def __init__(
        self,
        steps: int,
        least: float = 0.0,
        tau: float = 0.0,
        side: int | None = None,
        mean: tuple[float, ...] = (0.0,),
        std: tuple[float, ...] = (1.0,),
    ) -> None:
        super().__init__(steps, mean, std)
        if not 0 <= least < 1:
            raise UsageError(f"latency needs 0 <= least < 1, an intensity, got {least}")
        if not tau >= 0 or (tau > 0 and least == 0):
            raise UsageError(
                f"latency needs tau > 0 steps with least > 0 (logarithmic), or tau=0 (linear), "
                f"got tau={tau}, least={least}"
            )
        if side is not None and side < 1:
            raise UsageError(f"latency needs a side of 1 pixel or more, got {side}")
        self.least, self.tau, self.side = least, tau, side

    def shape(self, image: Shape) -> Shape:
        return image if self.side is None else (image[0], self.side, self.side)

    def times(self, x: Tensor) -> Tensor:
        """The step at which each pixel of intensity ``x`` spikes; inf where it does not."""
        if self.tau:
            above = torch.where(x > self.least, x - self.least, torch.ones_like(x))
            times = (self.tau * torch.log(x.clamp(min=self.least) / above)).floor()
        else:
            times = ((1 - x) * (self.steps - 1)).round()
        return times.masked_fill(x <= self.least, inf)

    def arrivals(self, x: Tensor) -> Tensor:
        """The step at which each pixel of images x (N, C, H, W) spikes, inf for none; 32 bits."""
        shown = self.intensity(x).float()
        if self.side is not None:
            shown = adaptive_avg_pool2d(shown, self.side)
        times = self.times(shown)
        return times.masked_fill(times >= self.steps, inf)

    def forward(self, x: Tensor) -> Tensor:
        times = self.arrivals(x)
        ticks = torch.arange(self.steps, device=x.device).view(-1, *[1] * x.ndim)
        return (times == ticks).to(x.dtype).flatten(0, 1)

    def extra_repr(self) -> str:
        return f"steps={self.steps}, least={self.least}, tau={self.tau}"
