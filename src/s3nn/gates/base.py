"""What a gate is, and a layer behind gates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from s3nn.graph.ir import Edge


class Decision(nn.Module):
    """Logits -> 1 (pass) where they are above 0, else 0; the same shape.

    Backward is that of ``sig(logits / temperature)``.  Training decides on
    ``logits + noise (log(r) - log(1 - r))``, r uniform in (0, 1): with a noise of 1 a sample of the
    binary Gumbel softmax, which passes with the probability sig(logits).  In eval mode there is no
    noise.
    Source: Jang, Gu, Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017;
    Maddison, Mnih, Teh, "The concrete distribution", ICLR 2017.
    """

    emits = Edge.SPIKE

    def __init__(self, temperature: float, noise: float = 0.0) -> None:
        super().__init__()
        self.temperature, self.noise = temperature, noise

    def forward(self, logits: Tensor) -> Tensor:
        if self.noise and self.training:
            r = torch.rand_like(logits).clamp(1e-6, 1 - 1e-6)
            logits = logits + self.noise * r.logit()
        return _hard(logits, torch.sigmoid(logits / self.temperature))

    def settled(self, logits: Tensor) -> Tensor:
        """The decision of eval mode, with the gradient of sig(logits), the chance to pass."""
        return _hard(logits, torch.sigmoid(logits))

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, noise={self.noise}"


def _hard(logits: Tensor, soft: Tensor) -> Tensor:
    # Added to a zero that carries the gradient: the value is exactly 0 or 1.
    return (logits > 0).to(logits.dtype) + (soft - soft.detach())


class Gate(nn.Module, ABC):
    """Sees spikes x (N, C, H, W) and says which of them pass."""

    decision: Decision

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """What is decided on, in a shape of the gate's own."""

    @abstractmethod
    def spread(self, mask: Tensor, x: Tensor) -> Tensor:
        """Decisions in the shape of ``logits`` as a mask that broadcasts to x."""


class Passing(nn.Module):
    """x times its masks: spikes stay spikes, and there are no more of them."""

    def forward(self, x: Tensor, *masks: Tensor) -> Tensor:
        for mask in masks:
            x = x * mask
        return x


class Gated(nn.Module):
    """A layer that sees of its input x (N, C, H, W) what all of its gates let pass.

    Every gate looks at x itself.  No gradient goes through a gate into x: a gate learns which
    spikes to drop, and does not teach the layers in front of it to be easily dropped (the
    "decoupled" mode of the authors' code).  ``seen``, where it is a list, collects the share of
    x's spikes that the gates let pass, for the mask loss.
    """

    def __init__(self, layer: nn.Module, gates: Sequence[Gate]) -> None:
        super().__init__()
        self.gates = nn.ModuleList(gates)
        self.passing = Passing()
        self.behind = layer
        self.seen: list[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        shown = x.detach() if self.training else x
        gates: list[Gate] = list(self.gates)  # type: ignore[arg-type]
        logits = [gate.logits(shown) for gate in gates]
        if self.seen is not None:
            settled = [
                gate.spread(gate.decision.settled(value), shown)
                for gate, value in zip(gates, logits, strict=True)
            ]
            spikes = shown.sum(dtype=torch.float32).clamp(min=1)
            self.seen.append(self.passing(shown, *settled).sum(dtype=torch.float32) / spikes)
        masks = [
            gate.spread(gate.decision(value), x) for gate, value in zip(gates, logits, strict=True)
        ]
        output: Tensor = self.behind(self.passing(x, *masks))
        return output


def ungated_name(name: str) -> str:
    """The name that a parameter has in the network without gates.

    >>> ungated_name("features.1.0.behind.weight")
    'features.1.0.weight'
    """
    return name.replace(".behind.", ".")
