"""The mean over time, once the network has settled."""

from __future__ import annotations

from torch import Tensor

from s3nn.clock.readouts.base import Readout
from s3nn.errors import UsageError

__all__ = ["Delayed"]


class Delayed(Readout):
    """1/(T - t_d) sum_{t > t_d} y[t]: the mean of the outputs behind the first t_d = ``after``.

    Spikes take some steps to reach the last layer, and until its neurons are charged the outputs
    are about the image less than about the state at rest.  Class scores are the sum in the source;
    the mean has the same order, and the scale of the logits.
    Source: delayed evaluation, Hwang et al., Frontiers in Neuroscience 15 (2021) 629000.

    >>> import torch
    >>> Delayed(steps=3, after=1)(torch.tensor([[[9.0]], [[1.0]], [[2.0]]])).item()
    1.5
    """

    def __init__(self, steps: int, after: int = 0) -> None:
        super().__init__(steps)
        if not 0 <= after < steps:
            raise UsageError(
                f"delayed leaves out 0 or more of the {steps} steps and not all, got after={after}"
            )
        self.after = after

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs[self.after :].mean(0)

    def extra_repr(self) -> str:
        return f"steps={self.steps}, after={self.after}"
