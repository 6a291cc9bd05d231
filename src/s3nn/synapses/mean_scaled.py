"""Weights of a few bits whose step follows from their mean magnitude."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.synapses.base import Synapse

__all__ = ["MeanScaled"]

BITS_AT_THE_ENDS = 8
TERNARY_THRESHOLD = 0.05  # of the largest |w|


class MeanScaled(Synapse):
    """w -> d round(clamp(w, -a, a) / d), a = 2 mean |w|, d = a / (2^(bits-1) - 1): not trained.

    Two bits are ternary: w -> m sign(w) where |w| >= 0.05 max |w| and 0 elsewhere, m the mean |w|
    of those that are kept.  The means are of the whole layer, or of each channel where
    ``per_channel``, and constants to the backward pass, which is the identity: everywhere at two
    bits, for |w| <= a at more.  The first layer and the read-out get at least eight bits.

    The authors take the mean over weights that are already clamped to the a of the step before,
    which their code starts at 1; their text and this file take it over the weights as they are.
    Source: Hasssan et al., "SpQuant-SNN", Frontiers in Neuroscience 18:1440000 (2024), after Choi
    et al., "Accurate and efficient 2-bit quantized neural networks", MLSys 2019 (the step) and Li &
    Liu, "Ternary weight networks", arXiv 1605.04711 (two bits).
    """

    def __init__(self, bits: int = 4, per_channel: bool = False) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise UsageError(f"a mean_scaled synapse has 2 to 16 bits, got {bits}")
        self.bits, self.per_channel = bits, per_channel
        self.scales, self.shared_scales = (1, 0) if per_channel else (0, 1)
        self.largest = 2 ** (bits - 1) - 1

    def step(self, weight: Tensor) -> Tensor:
        """d of each channel, shaped to broadcast over the weight (C_out, ...)."""
        magnitude = weight.detach().abs()
        if self.bits == 2:
            kept = self._kept(magnitude)
            d = self._sum(magnitude * kept) / self._sum(kept.to(magnitude.dtype)).clamp(min=1)
        else:
            d = 2 * self._sum(magnitude) / (self._group(magnitude) * self.largest)
        tiny = torch.finfo(d.dtype).tiny  # of weights that are all zero: any step will do
        return d.clamp(min=tiny).expand(len(weight), *[1] * (weight.ndim - 1))

    def levels(self, weight: Tensor) -> Tensor:
        """The integers -q .. q, q = 2^(bits-1) - 1, that the weight is seen as."""
        w = weight.detach()
        if self.bits == 2:
            return w.sign() * self._kept(w.abs())
        return (w / self.step(w)).round().clamp(-self.largest, self.largest)

    def forward(self, weight: Tensor) -> Tensor:
        step = self.step(weight)
        seen = self.levels(weight) * step
        inside = (
            weight if self.bits == 2 else weight.clamp(-self.largest * step, self.largest * step)
        )
        # Added to a zero that carries the gradient: the value is exactly levels * step.
        return seen + (inside - inside.detach())

    def at_the_ends(self) -> Synapse:
        return MeanScaled(max(self.bits, BITS_AT_THE_ENDS), self.per_channel)

    def _kept(self, magnitude: Tensor) -> Tensor:
        largest = magnitude.amax(self._axes(magnitude), keepdim=True)
        return magnitude >= TERNARY_THRESHOLD * largest

    def _sum(self, values: Tensor) -> Tensor:
        return values.sum(self._axes(values), keepdim=True)

    def _group(self, weight: Tensor) -> int:
        return weight[0].numel() if self.per_channel else weight.numel()

    def _axes(self, weight: Tensor) -> tuple[int, ...]:
        return tuple(range(int(self.per_channel), weight.ndim))

    def extra_repr(self) -> str:
        return f"bits={self.bits}, per_channel={self.per_channel}"
