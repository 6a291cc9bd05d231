"""What is wrong with a chip for good: its fixed pattern."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Standard deviations in units of ``mismatch``; which is larger than which is an assumption.
THETA, TAU, GAIN = 1.0, 1.0, 1.0  # relative, log-normal
LEAK, RESET, OFFSET = 0.5, 0.5, 0.5  # in thresholds, normal
CHANNEL_GAIN = 0.25  # relative, log-normal


@dataclass(frozen=True)
class Pattern:
    """The fixed pattern of a chip of n neurons and m rows of synapses.

    theta, leak, reset: potentials in nominal thresholds above nominal rest, (n,); theta is infinite
        for neurons that are dead.
    tau_s, tau_m: factors on the time constants, (n,).
    gain: factors on the synapses, (n, m).
    offset, channel_gain: what each neuron's sampling channel adds, and multiplies by, (n,).
    """

    theta: Tensor
    leak: Tensor
    reset: Tensor
    tau_s: Tensor
    tau_m: Tensor
    gain: Tensor
    offset: Tensor
    channel_gain: Tensor

    @classmethod
    def drawn(
        cls, seed: int, neurons: int, inputs: int, *, mismatch: float, dead: float
    ) -> Pattern:
        """The pattern that ``seed`` stands for.

        With z standard normal and m the mismatch, factors are e^(k m z) and potentials shifted by
        k m z, with the k of this module.  ``dead`` is the probability that a neuron never fires.
        z and who dies depend on the seed alone: more mismatch is more of the same pattern, and
        those that die at 10 % are dead at 20 %.
        """
        generator = torch.Generator().manual_seed(seed)

        def z(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64) * mismatch

        theta, tau_s, tau_m = ((k * z(neurons)).exp() for k in (THETA, TAU, TAU))
        leak, reset, offset = (k * z(neurons) for k in (LEAK, RESET, OFFSET))
        channel_gain = (CHANNEL_GAIN * z(neurons)).exp()
        lives = torch.rand(neurons, generator=generator, dtype=torch.float64)
        gain = (GAIN * z(neurons, inputs)).exp()
        theta = theta.masked_fill(lives < dead, torch.inf)
        return cls(theta, leak, reset, tau_s, tau_m, gain, offset, channel_gain)
