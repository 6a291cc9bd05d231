"""Feedback alignment: with B = W it is back-propagation, with another B what B says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.clock import unroll
from s3nn.errors import UnsupportedError
from s3nn.models import Parts
from s3nn.registry import MODELS
from s3nn.rules import FeedbackAlignment
from s3nn.synapses import SynapticConv2d

SHAPE = (1, 16, 16)


def gradients(network: nn.Module, rule: FeedbackAlignment | None) -> dict[str, Tensor]:
    network.zero_grad()
    torch.manual_seed(5)
    x = torch.randn(4, *SHAPE).double()
    if rule is None:
        network(x).square().sum().backward()
    else:
        with rule.attached(network):
            network(x).square().sum().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("synapse", ["real", "integer"])
@pytest.mark.parametrize("name", ["mlp", "cnn7", "resnet18"])
def test_the_own_weights_are_back_propagation(name: str, synapse: str, steps: int) -> None:
    torch.manual_seed(0)
    parts = Parts("fire" if steps == 1 else "lif", synapse)
    model = MODELS.build(name, input_shape=SHAPE, classes=10, parts=parts, width=0.0625)
    network = unroll(model, steps).double()
    rule = FeedbackAlignment()
    rule.prepare(network, SHAPE, 10, 0)
    rule.double()
    plain = gradients(network, None)
    other = gradients(network, rule)
    first = next(iter(plain))
    assert not torch.allclose(other[first], plain[first])
    assert_close(other["readout.weight"], plain["readout.weight"], rtol=0, atol=0)
    for layer, b in rule.feedback().items():
        module = network.get_submodule(layer)
        b.copy_(module.synapse(module.weight))
    same = gradients(network, rule)
    assert same.keys() == plain.keys()
    for key, value in plain.items():
        assert_close(same[key], value, rtol=1e-9, atol=1e-10)


def test_by_hand(by_hand: Any, prepared: Callable[..., Any]) -> None:
    rule = prepared(FeedbackAlignment(), by_hand)
    found = by_hand.gradients(rule)
    b2, b3 = rule.feedback().values()
    _, potentials, _ = by_hand.forward()
    told = [by_hand.wrong() @ b3] * by_hand.steps
    assert_close(found[1], by_hand.hidden(1, told), rtol=1e-12, atol=1e-14)
    deltas, later = [], torch.zeros(())
    theta = torch.tensor(1.0, dtype=torch.float64)
    for t in reversed(range(by_hand.steps)):
        u = potentials[1][t]
        later = told[t] * by_hand.neuron.surrogate.derivative(u, theta) + by_hand.left * (
            (u <= 1) * later
        )
        deltas.insert(0, later @ b2)
    assert_close(found[0], by_hand.hidden(0, deltas), rtol=1e-12, atol=1e-14)


def test_strides_paddings_and_groups() -> None:
    """Against autograd through a convolution whose weights are B."""
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=(2, 1), dilation=1, groups=2).double()
    network = nn.Module()
    network.encode, network.features = nn.Identity(), nn.Sequential(conv)
    network.readout = nn.Identity()
    rule = FeedbackAlignment()
    rule.prepare(network, (4, 7, 8), 10, 0)
    rule.double()
    (b,) = rule.feedback().values()
    x = torch.randn(2, 4, 7, 8).double().requires_grad_()
    with rule.attached(network):
        y = conv(x)
    assert torch.equal(y, conv(x))
    grad = torch.randn_like(y)
    (found,) = torch.autograd.grad(y, x, grad)
    through = nn.functional.conv2d(x, b, None, conv.stride, conv.padding, groups=2)
    assert_close(found, torch.autograd.grad(through, x, grad)[0])


def test_a_padding_in_words_is_refused() -> None:
    network = MODELS.build("cnn7", input_shape=SHAPE, classes=10, width=0.0625)
    layer = network.features[1][0]
    network.features[1][0] = SynapticConv2d(layer.synapse, 4, 4, 3, padding="same")
    with pytest.raises(UnsupportedError, match="feedback alignment with padding='same'"):
        FeedbackAlignment().prepare(network, SHAPE, 10, 0)


def test_a_padding_that_is_not_zero_is_refused() -> None:
    network = MODELS.build("cnn7", input_shape=SHAPE, classes=10, width=0.0625)
    network.features[1][0].padding_mode = "reflect"
    with pytest.raises(UnsupportedError, match="padding_mode='reflect'"):
        FeedbackAlignment().prepare(network, SHAPE, 10, 0)
