"""Output neurons that answer by who fires first."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.clock.readouts.base import Readout
from s3nn.errors import UsageError
from s3nn.surrogates import spike
from s3nn.surrogates.arctan import Arctan

__all__ = ["FirstSpike"]


class FirstSpike(Readout):
    """(T - t1) / scale, t1 the step at which an output neuron first fires (T if it never does).

    The outputs charge a potential that neither leaks nor is reset; it fires above theta::

        V[t] = V[t-1] + y[t]      s[t] = 1[V[t] > theta]      t1 = sum_t prod_{k <= t} (1 - s[k])

    The product is 1 until the first spike and 0 from then on, so that its sum is t1 and carries a
    gradient to every spike that could have come earlier; spikes have the arctan surrogate.
    Source: the latency loss of Kim, Kim, Kim, "Unifying activation- and timing-based learning rules
    for spiking neural networks" (ANTLR), NeurIPS 2020, with scale 6 steps there.

    >>> y = torch.tensor([0.6, 2.0]).view(1, 1, 2).repeat(4, 1, 1)
    >>> FirstSpike(steps=4, scale=1.0)(y).tolist()  # fires at steps 1 and 0
    [[3.0, 4.0]]
    """

    trivial_at_one_step = False
    of_classes = True

    def __init__(self, steps: int, threshold: float = 1.0, scale: float = 1.0) -> None:
        super().__init__(steps)
        for name, value in (("threshold", threshold), ("scale", scale)):
            if not value > 0:
                raise UsageError(f"first_spike needs {name} > 0, got {value}")
        self.threshold, self.scale = threshold, scale

    def forward(self, outputs: Tensor) -> Tensor:
        spikes = spike(outputs.cumsum(0), self.threshold, Arctan())
        silent = torch.ones_like(outputs[0])
        latency = torch.zeros_like(silent)
        for fired in spikes.unbind(0):
            silent = silent * (1 - fired)
            latency = latency + silent
        return (self.steps - latency) / self.scale

    def extra_repr(self) -> str:
        return f"steps={self.steps}, threshold={self.threshold}, scale={self.scale}"
