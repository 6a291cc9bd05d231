"""What a penalty on spikes is."""

from __future__ import annotations

from typing import ClassVar

from s3nn.energy.watching import Meter


class Penalty(Meter):
    """Omega >= 0 of a batch: its terms summed over layers, samples and steps.

    The loss is L + lambda Omega / N, N the samples of the batch.  A penalty looks at spikes s where
    they are read (``of_reading``) or where they are emitted (``of_firing``), each a scalar.
    """

    # Whether membrane potentials are needed, which a step that fuses neurons does not have.
    of_potentials: ClassVar[bool] = False
    # Whether all time steps are needed at once, which a training in windows does not have.
    of_trials: ClassVar[bool] = False
