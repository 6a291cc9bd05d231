"""A layer of neurons that inhibit each other and learn by pairs of spikes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s3nn.rules._pairs import Pairs, pair_sums


@dataclass(frozen=True)
class Plasticity:
    """How ``Competition`` learns.

    Fields
    ------
    rate: of the weights, a presentation.
    depress: weight of D against P.
    tau: time constant of pairs, in steps.
    pairs: which spikes are paired.
    homeostasis: of the thresholds, of their first value.
    """

    rate: float
    depress: float
    tau: float
    pairs: Pairs
    homeostasis: float


class Competition:
    """Leaky integrate-and-fire neurons of which one fires at a time.

    With x[t] (N, I) the spikes that arrive and 1 - 1/tau_m the leak::

        u[t] = (1 - 1/tau_m) u[t-1] + W x[t]
        s_j[t] = 1 where u_j[t] - theta_j is the largest of all and above 0

    A spike resets every u of its sample to 0 and holds them there for the rest of the presentation:
    lateral inhibition, the winner takes all.  After a batch of presentations, with P and D of
    ``pair_sums`` and n_j the spikes of neuron j in N presentations::

        W_ji <- W_ji + rate (P_ji (1 - W_ji) - depress D_ji W_ji) / n_j     in 0..1
        theta_j <- theta_j + homeostasis theta_0 (n_j J / N - 1)

    so that every neuron comes to win as often.  Sources: Diehl & Cook, Front. Comput. Neurosci. 9
    (2015) 99 (competition); Querlioz, Bichler, Dollfus, Gamrat, IEEE Trans. Nanotechnology 12
    (2013) 288 (soft bounds, and thresholds drawn to a rate).
    """

    def __init__(self, weight: Tensor, threshold: float, tau_m: float) -> None:
        self.weight, self.first, self.left = weight, threshold, 1 - 1 / tau_m
        self.threshold = torch.full((len(weight),), threshold).to(weight)

    def present(self, arriving: Tensor) -> Tensor:
        """Spikes (T, N, J) of the neurons, for those that arrive (T, N, I)."""
        samples, neurons = arriving.shape[1], len(self.weight)
        u = arriving.new_zeros(samples, neurons)
        free = torch.ones(samples, dtype=torch.bool, device=arriving.device)
        fired = []
        for x in arriving:
            u = self.left * u + x @ self.weight.T
            over, winner = (u - self.threshold).max(1)
            spikes = torch.zeros_like(u)
            wins = free & (over > 0)
            spikes[wins, winner[wins]] = 1
            free = free & ~wins
            u = u * free[:, None]
            fired.append(spikes)
        return torch.stack(fired)

    def learn(self, arriving: Tensor, how: Plasticity) -> Tensor:
        """Present ``arriving`` (T, N, I) and change; the spikes of every neuron, (J,)."""
        fired = self.present(arriving)
        wins = fired.sum((0, 1))
        potentiate, depress = pair_sums(arriving, fired, how.tau, how.pairs)
        change = potentiate * (1 - self.weight) - how.depress * depress * self.weight
        self.weight = (self.weight + how.rate * change / wins.clamp(min=1)[:, None]).clamp(0, 1)
        share = wins * len(wins) / arriving.shape[1]
        self.threshold = self.threshold + how.homeostasis * self.first * (share - 1)
        return wins
