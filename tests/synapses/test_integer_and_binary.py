"""Weights of a few bits: levels, round trips and the gradient of the step."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.models import Cnn7, Parts
from s3nn.synapses import Binary, Integer, Real, SynapticConv2d, SynapticLinear


def attached(bits: int, shape: tuple[int, ...] = (5, 4, 3, 3)) -> tuple[Integer, Tensor]:
    weight = torch.randn(shape, dtype=torch.float64)
    weight[:, 0] *= 4  # so that some weights are out of range
    weight.requires_grad_()
    synapse = Integer(bits).double()
    synapse.attach(weight)
    return synapse.double(), weight


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16])
def test_levels_are_integers_in_range_and_give_the_weight_back(bits: int) -> None:
    synapse, weight = attached(bits)
    levels = synapse.levels(weight)
    largest = 2 ** (bits - 1) - 1
    assert torch.equal(levels, levels.round())
    assert levels.abs().max() <= largest
    seen = synapse(weight)
    assert torch.equal(seen, levels * synapse.step(weight)), "the used weight is levels * step"
    assert torch.equal(synapse.levels(seen), levels), "quantising again changes nothing"
    inside = (weight / synapse.step(weight)).abs() <= largest
    assert ((seen - weight).abs() <= synapse.step(weight) / 2 + 1e-12)[inside].all()


def test_two_bits_are_ternary() -> None:
    synapse, weight = attached(2)
    assert sorted(set(synapse.levels(weight).flatten().tolist())) == [-1.0, 0.0, 1.0]


def straight_through(weight: Tensor, step: Tensor, at: Tensor, largest: int) -> Tensor:
    """The used weight as a function of the step, the rounding held as it is at step ``at``."""
    clamped = (weight / at).clamp(-largest, largest)
    return ((weight / step).clamp(-largest, largest) + (clamped.round() - clamped)) * step


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_gradient_of_the_step_is_that_of_the_straight_through_definition(bits: int) -> None:
    synapse, weight = attached(bits)
    upstream = torch.randn_like(weight)
    (synapse(weight) * upstream).sum().backward()
    step, largest, h = synapse.step(weight).detach(), 2 ** (bits - 1) - 1, 1e-7
    rise = straight_through(weight, step + h, step, largest) - straight_through(
        weight, step - h, step, largest
    )
    by_step = (rise.detach() / (2 * h) * upstream).flatten(1).sum(1)
    gain = 1 / sqrt(weight[0].numel() * largest)
    assert_close(synapse.log_step.grad, by_step * gain * step.flatten(), rtol=1e-5, atol=1e-7)
    inside = (weight / step).abs() <= largest
    assert_close(weight.grad, upstream * inside)
    assert bits == 8 or not inside.all()


def test_the_ends_of_a_network_get_at_least_eight_bits() -> None:
    for bits, ends in ((2, 8), (8, 8), (12, 12)):
        model = Cnn7((1, 8, 8), 10, Parts(synapse=f"integer(bits={bits})"), width=0.0625)
        found = [
            (name, layer.synapse.bits)
            for name, layer in model.named_modules()
            if isinstance(layer, (SynapticConv2d, SynapticLinear))
        ]
        assert [b for _, b in found] == [ends, *[bits] * 5, ends], found


@pytest.mark.parametrize("bits", [0, 1, 17])
def test_impossible_sizes_are_refused(bits: int) -> None:
    with pytest.raises(UsageError, match=f"an integer synapse has 2 to 16 bits, got {bits}"):
        Integer(bits)


@pytest.mark.parametrize("shape", [(5, 4, 3, 3), (5, 7)])
def test_binary_weights_are_plus_or_minus_the_mean_of_their_channel(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape)
    weight[0].flatten()[0] = 0.0
    weight.requires_grad_()
    seen = Binary()(weight)
    for c, channel in enumerate(seen):
        magnitude = weight[c].abs().mean().item()
        assert channel.abs().unique().tolist() == pytest.approx([magnitude])
        assert torch.equal(channel < 0, weight[c] < 0), "zero counts as positive"
    upstream = torch.randn_like(seen)
    seen.backward(upstream)
    assert torch.equal(weight.grad, upstream)
    assert isinstance(Binary().at_the_ends(), Real)
