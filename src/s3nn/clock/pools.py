"""Max-pools whose answer adds up over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChargePool(nn.Module):
    """A max-pool of charges: of a folded sequence of currents (T N, C, H, W), step by step.

    With x[t] the current of step t and P the pool::

        q[t] = x[1] + ... + x[t]        y[t] = P(q[t]) - P(q[t-1]),   q[0] = 0

    What neurons behind it gather of y is P of what they would have gathered of x, so that the mean
    of y over the steps is the pool of the mean currents as these settle.  The pool of the current
    of each step is larger: the mean of maxima is above the maximum of means, by what spikes make
    currents jump about.  Source: an interpretation; Rueckauer et al., Frontiers in Neuroscience 11
    (2017) 682, gate the spikes of a window by the rates behind them to the same end.

    >>> pool = ChargePool(nn.MaxPool2d((1, 2)), steps=2)
    >>> pool(torch.tensor([[3.0, 0.0], [0.0, 2.0]]).view(2, 1, 1, 2)).flatten().tolist()
    [3.0, 0.0]
    """

    def __init__(self, pool: nn.MaxPool2d, steps: int) -> None:
        super().__init__()
        self.pool, self.steps = pool, steps

    def forward(self, current: Tensor) -> Tensor:
        charge = current.unflatten(0, (self.steps, -1)).cumsum(0)
        largest = self.pool(charge.flatten(0, 1)).unflatten(0, (self.steps, -1))
        return torch.cat([largest[:1], largest[1:] - largest[:-1]]).flatten(0, 1)
