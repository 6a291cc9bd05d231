"""The timing branch of s3 alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.surrogates.base import Surrogate, fired

__all__ = ["TimingOnly"]


@dataclass(frozen=True)
class TimingOnly(Surrogate):
    """beta / u where fired (u > theta), 0 where silent: what s3 is without its activation branch.

    Derivative of ``beta ln(u / theta)`` above the threshold, held at 0 below.  A neuron that is
    silent for every input gets no gradient and stays so.
    Source: the timing-based part of Suetake et al., Neural Networks 159 (2023), arXiv 2201.10879,
    after Zhang & Li, "Temporal spike sequence learning via backpropagation", NeurIPS 2020.
    """

    beta: float = 1.0

    by_ratio = True

    def __post_init__(self) -> None:
        if not 0 < self.beta < inf:
            raise UsageError(f"timing_only needs a finite beta > 0, got {self.beta}")

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return self.beta * torch.log(torch.clamp(u, min=threshold) / threshold)

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return self.beta / torch.clamp(u, min=threshold) * fired(u, threshold)
