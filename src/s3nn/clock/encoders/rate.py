"""Intensity as the rate of random spikes."""

from __future__ import annotations

import torch
from torch import Tensor

from s3nn.clock.encoders.base import Encoder
from s3nn.graph.ir import Edge

__all__ = ["Rate"]

# Of the draws in evaluation.
SEED = 0


class Rate(Encoder):
    """s[t] = 1[x > r[t]], r[t] uniform in 0..1: a pixel of intensity x spikes with probability x.

    In training every image, pixel and step has a draw of its own, from torch's generator.  In
    evaluation all images share one fixed draw a pixel and step, so that a network's answer to an
    image does not depend on the batch it comes in, and is the same when it is asked again.

    Source: the Bernoulli form of Poisson coding, Diehl & Cook, "Unsupervised learning of digit
    recognition using spike-timing-dependent plasticity", Front. Comput. Neurosci. 9 (2015) 99.

    >>> Rate(steps=4)(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)).sum(0).tolist()
    [[[0.0, 4.0]]]
    """

    emits = Edge.SPIKE

    def forward(self, x: Tensor) -> Tensor:
        intensity = self.intensity(x)
        if self.training:
            draws = torch.rand((self.steps, *x.shape), device=x.device, dtype=torch.float32)
        else:
            fixed = torch.Generator().manual_seed(SEED)
            draws = torch.rand((self.steps, 1, *x.shape[1:]), generator=fixed).to(x.device)
        return (intensity > draws).to(x.dtype).flatten(0, 1)
