"""The public checks find the faults they are there for, and name the property that is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from s3nn.graph.ir import Edge
from s3nn.models import Mlp, Parts
from s3nn.neurons import Fire, Neuron
from s3nn.surrogates import S3, Gaussian, Masked, Sigmoid
from s3nn.synapses import Integer, Real
from s3nn.testing import check_model, check_neuron, check_surrogate, check_synapse


@dataclass(frozen=True)
class OftenCopied(S3):
    """beta / (x + 1): right at theta = 1 only."""

    def derivative(self, u: Tensor, threshold: Any) -> Tensor:
        timing = 1 / ((u - threshold).clamp(min=0) + 1)
        return torch.where(u > threshold, timing, super().derivative(u, threshold))


@dataclass(frozen=True)
class Unguarded(S3):
    def primitive(self, u: Tensor, threshold: Any) -> Tensor:
        timing = 0.5 + torch.log(u / threshold)
        return torch.where(u > threshold, timing, torch.sigmoid(self.alpha * (u - threshold)))


@dataclass(frozen=True)
class Staircase(Sigmoid):
    """A primitive with an invisible climb: autograd does not see the steps, differences do."""

    def primitive(self, u: Tensor, threshold: Any) -> Tensor:
        return super().primitive(u, threshold) + 1e-4 * torch.floor(1e4 * u).detach()


@dataclass(frozen=True)
class Single(Sigmoid):
    def derivative(self, u: Tensor, threshold: Any) -> Tensor:
        return super().derivative(u.double(), threshold)


@dataclass(frozen=True)
class Biased(Masked):
    """It says the derivative that it has before it is masked."""

    def primitive(self, u: Tensor, threshold: Any) -> Tensor:
        return self.of.primitive(u, threshold)

    def derivative(self, u: Tensor, threshold: Any) -> Tensor:
        return self.of.derivative(u, threshold)


@dataclass(frozen=True)
class Doubled(Sigmoid):
    def backward_factor(self, u: Tensor, threshold: Any) -> Tensor:
        return 2 * self.derivative(u, threshold)


@dataclass(frozen=True)
class Wider(Gaussian):
    """Its width is said to be a slope."""

    slopes = ("sigma",)
    widths = ()


@dataclass(frozen=True)
class Unseeded(Masked):
    def backward_factor(self, u: Tensor, threshold: Any) -> Tensor:
        own = torch.Generator()
        own.seed()
        return self.of.derivative(u, threshold) * (torch.rand(u.shape, generator=own) > self.p)


def test_surrogates() -> None:
    check_surrogate(OftenCopied(), thresholds=(1.0,))
    with pytest.raises(AssertionError, match=r"threshold 0\.5 is that of primitive"):
        check_surrogate(OftenCopied())
    with pytest.raises(AssertionError, match=r"that of primitive|gradient of primitive"):
        check_surrogate(Unguarded())
    with pytest.raises(AssertionError, match=r"twice as steep is Wider\(sigma=1\.0\), .* wider"):
        check_surrogate(Wider())
    with pytest.raises(AssertionError, match=r"keeps shape and torch\.float32"):
        check_surrogate(Single())
    with pytest.raises(AssertionError, match="finite difference of primitive: off by"):
        check_surrogate(Staircase())
    with pytest.raises(AssertionError, match=r"mean backward factor .* neurons were silent: the s"):
        check_surrogate(Biased(p=0.05))
    with pytest.raises(AssertionError, match=r"the backward factor .* is derivative"):
        check_surrogate(Doubled())
    with pytest.raises(AssertionError, match="backward multiplies by its factor"):
        check_surrogate(Unseeded())


def test_the_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    check_surrogate(Masked(), thresholds=(1.0,))
    assert torch.equal(torch.get_rng_state(), before)


class Faulty(Neuron):
    emits = Edge.SPIKE

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.fire, self.calls = fault, Fire(), 0
        self.unused = nn.Parameter(torch.ones(3)) if fault == "unused" else None

    def forward(self, current: Tensor) -> Tensor:
        self.calls += 1
        if self.fault == "state":
            current = current + self.calls
        if self.fault == "batch":
            current = current - current.mean(0)
        out: Tensor = self.fire(current)
        if self.fault == "graded":
            return 0.5 * out
        if self.fault == "eval" and not self.training:
            return 1 - out
        return out.detach() + 0 * current if self.fault == "blocked" else out


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("state", "keeps no state between calls"),
        ("batch", "treats samples apart"),
        ("graded", r"declares spike edges \(0.0, 1.0\) and emits \[0.5\]"),
        ("eval", "does the same in eval mode"),
        ("blocked", "gradient of its input"),
        ("unused", "gradient of unused"),
    ],
)
def test_neurons(fault: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_neuron(lambda channels: Faulty(fault))


class TooFine(Integer):
    def forward(self, weight: Tensor) -> Tensor:
        return 0.5 * (super().forward(weight) + weight)


class Frozen(Real):
    def forward(self, weight: Tensor) -> Tensor:
        return torch.ones_like(weight) + 0 * weight


def test_synapses() -> None:
    with pytest.raises(AssertionError, match="values in 4 bits"):
        check_synapse(TooFine)
    with pytest.raises(AssertionError, match="gradient of weight"):
        check_synapse(Frozen)


class FaultyModel(Mlp):
    def __init__(self, fault: str, width: float) -> None:
        super().__init__((1, 4, 4), classes=10, parts=Parts(), width=width)
        self.fault, self.kept = fault, torch.zeros(())
        if fault == "unused":
            self.unused = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        if self.fault == "state":
            logits, self.kept = logits + self.kept, logits.detach().mean()
        return logits - logits.mean(0) if self.fault == "batch" else logits


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("unused", "every parameter gets a gradient, unused"),
        ("state", "leaves no state behind"),
        ("batch", "do not depend on the others"),
    ],
)
def test_models(fault: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_model(lambda width: FaultyModel(fault, width))
    with pytest.raises(AssertionError, match="twice the width has more parameters"):
        check_model(lambda width: FaultyModel("", 0.1))
    with pytest.raises(AssertionError, match="answers are"):
        check_model(lambda width: FaultyModel("", width), classes=3)
