"""The spiking synaptic penalty."""

from __future__ import annotations

from torch import Tensor

from s3nn.energy.watching import Reading, accumulations
from s3nn.penalties._power import PowerPenalty

__all__ = ["Synaptic"]


class Synaptic(PowerPenalty):
    """The spiking synaptic penalty: Omega = sum over layers and neurons of psi s^p / p.

    psi is the fan-out: how many accumulations a spike causes.  The source has one psi a layer,
    kh kw C_out / (sh sw); here it is the true one of each position, borders, padding, stride and
    groups included, summed over all layers that read the spike, and where a max-pool lies between,
    a window with several spikes counts as the one spike that is read.  So Omega is p times smaller
    than the accumulations (``Counts.acs`` of layers that read spikes), and E_AC Omega at p = 1 is
    their energy.
    Source: Suetake et al., "Spiking synaptic penalty", arXiv 2302.01500.
    """

    def of_reading(self, reading: Reading) -> Tensor:
        return accumulations(self.power(reading.spikes), reading.fan_out)
