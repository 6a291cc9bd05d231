"""What a penalty on spikes is."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from s3nn.energy.watching import Meter
from s3nn.errors import UsageError


class Penalty(Meter):
    """Omega >= 0 of a batch: its terms summed over layers, samples and steps.

    The loss is L + lambda Omega / N, N the samples of the batch.  A penalty looks at spikes s where
    they are read (``of_reading``) or where they are emitted (``of_firing``), each a scalar.

    Parameters
    ----------
    p: the power of s, 1 or more.  A spike is 0 or 1, so that p changes the gradient and not the
        value of ``s^p``: d(s^p / p)/ds = s^(p-1) is 1 for every neuron with p = 1, and reaches
        only those that fired with a larger one.
    """

    # Whether membrane potentials are needed, which a step that fuses neurons does not have.
    of_potentials: ClassVar[bool] = False
    # Whether all time steps are needed at once, which a training in windows does not have.
    of_trials: ClassVar[bool] = False

    def __init__(self, p: float = 1.0) -> None:
        if not p >= 1:
            raise UsageError(f"the power p of a penalty must be 1 or more, got {p}")
        self.p = p

    def power(self, spikes: Tensor) -> Tensor:
        """s^p / p."""
        return spikes if self.p == 1 else spikes.pow(self.p) / self.p
