"""Sums over pairs of spikes, one in front of a synapse and one behind it."""

from __future__ import annotations

from math import exp
from typing import Literal

import torch
from torch import Tensor

Pairs = Literal["all", "nearest"]


def pair_sums(pre: Tensor, post: Tensor, tau: float, pairs: Pairs = "all") -> tuple[Tensor, Tensor]:
    """P and D (J, I) of spikes ``pre`` (T, N, I) and ``post`` (T, N, J), summed over N::

        P_ji = sum over pairs t_i <= t_j of exp(-(t_j - t_i) / tau)
        D_ji = sum over pairs t_i >  t_j of exp(-(t_i - t_j) / tau)

    A spike that arrives at the step at which the neuron fires has helped it to: it counts in P.
    ``nearest`` pairs the later spike of each with the last one before it, ``all`` with every one.
    The sums are those of traces that decay by exp(-1/tau) a step and rise by 1, or to 1, at a
    spike.  Sources: Song, Miller, Abbott, Nature Neuroscience 3 (2000); Morrison, Diesmann,
    Gerstner, Biological Cybernetics 98 (2008), on which pairs there are.

    >>> pre, post = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 0.0])
    >>> [round(s.item(), 4) for s in pair_sums(pre.view(3, 1, 1), post.view(3, 1, 1), tau=1.0)]
    [0.3679, 0.3679]
    """
    decay = exp(-1 / tau)
    before, behind = torch.zeros_like(pre[0]), torch.zeros_like(post[0])
    potentiate = pre.new_zeros(post.shape[2], pre.shape[2])
    depress = torch.zeros_like(potentiate)
    for arrived, fired in zip(pre, post, strict=True):
        before, behind = decay * before, decay * behind
        before = before + arrived if pairs == "all" else torch.maximum(before, arrived)
        potentiate += fired.T @ before
        depress += behind.T @ arrived
        behind = behind + fired if pairs == "all" else torch.maximum(behind, fired)
    return potentiate, depress
