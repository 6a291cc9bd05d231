"""Weights of one bit."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.synapses.base import Synapse
from s3nn.synapses.real import Real

__all__ = ["Binary"]


class Binary(Synapse):
    """w -> m_c sign(w), m_c the mean of |w| over channel c; backward is the identity.

    A weight of exactly zero counts as positive.  The first layer and the read-out keep real
    weights, as is the habit with binary networks.
    Source: Rastegari et al., "XNOR-Net", ECCV 2016 (the scale); Hubara et al., NeurIPS 2016.
    """

    bits = 1
    scales = 1

    def forward(self, weight: Tensor) -> Tensor:
        scale = weight.detach().abs().mean(dim=tuple(range(1, weight.ndim)), keepdim=True)
        signed = torch.where(weight.detach() < 0, -scale, scale)
        # Added to a zero that carries the gradient: the value is exactly +-m_c.
        return signed + (weight - weight.detach())

    def at_the_ends(self) -> Synapse:
        return Real()
