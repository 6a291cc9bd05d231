"""Weights of a few bits, trained as such."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from s3nn.errors import UsageError
from s3nn.synapses.base import Synapse

__all__ = ["Integer"]

BITS_AT_THE_ENDS = 8


class Integer(Synapse):
    """w -> d_c clamp(round(w / d_c), -q, q), q = 2^(bits-1) - 1, with a trained step d_c a channel.

    Backward: the identity inside of the range and zero outside for w; for d_c the derivative of the
    line above with the rounding passed straight through, scaled by 1/sqrt(n q), n the weights of a
    channel.  Two bits are ternary.  The first layer and the read-out get at least eight bits.
    Source: Esser et al., "Learned step size quantization", ICLR 2020.
    """

    scales = 1

    def __init__(self, bits: int = 4) -> None:
        super().__init__()
        if not 2 <= bits <= 16:
            raise UsageError(f"an integer synapse has 2 to 16 bits, got {bits}")
        self.bits = bits
        self.largest = 2 ** (bits - 1) - 1
        self.log_step = nn.Parameter(torch.zeros(0))

    def attach(self, weight: Tensor) -> None:
        magnitude = weight.detach().abs().flatten(1).mean(1).clamp(min=1e-8)
        self.log_step = nn.Parameter((2 * magnitude / sqrt(self.largest)).log())

    def attach_again(self, weight: Tensor, which: Tensor) -> None:
        log_step = self.log_step
        self.attach(weight)
        fresh, self.log_step = self.log_step, log_step
        with torch.no_grad():
            log_step[which] = fresh[which]

    def step(self, like: Tensor) -> Tensor:
        """d_c, shaped to broadcast over the weight (C_out, ...)."""
        return self.log_step.exp().view(-1, *[1] * (like.ndim - 1))

    def levels(self, weight: Tensor) -> Tensor:
        """The integers -q .. q that the weight is seen as, before the step size."""
        return (weight / self.step(weight)).round().clamp(-self.largest, self.largest)

    def forward(self, weight: Tensor) -> Tensor:
        gain = 1 / sqrt(weight[0].numel() * self.largest)
        step = self.step(weight)
        # Both sums add a zero that carries the gradient: the value is exactly levels * step.
        step = step.detach() + gain * (step - step.detach())
        scaled = (weight / step).clamp(-self.largest, self.largest)
        rounded = scaled.detach().round() + (scaled - scaled.detach())
        return rounded * step

    def at_the_ends(self) -> Synapse:
        return Integer(max(self.bits, BITS_AT_THE_ENDS))
