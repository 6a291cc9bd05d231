"""BRP and direct feedback alignment: by hand, and no gradient from one layer to another."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.clock import unroll
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Parts
from s3nn.registry import MODELS
from s3nn.rules import Brp, DirectFeedbackAlignment, make_rule
from s3nn.rules._local import LocalRule

Prepared = Callable[[nn.Module, Any], Any]
OF_CLASSES = [name for name in MODELS.names() if not MODELS.get(name).answers_images]
LOCAL = ["brp", "brp(form=target)", "direct_feedback_alignment"]


def test_by_hand_the_layers_spike(by_hand: Any) -> None:
    """Otherwise the tests below would hold zeros against zeros."""
    _, potentials, outputs = by_hand.forward()
    for layer in potentials:
        assert 0.05 < (torch.stack(layer) > 1).double().mean() < 0.95
    mean = torch.stack(outputs).mean(0)
    assert_close(by_hand.network(by_hand.x), mean)


def test_brp_by_hand(by_hand: Any, prepared: Prepared) -> None:
    rule = prepared(Brp(scale=2.0), by_hand)
    found = by_hand.gradients(rule)
    for i, b in enumerate(rule.feedback().values()):
        told = [2.0 * by_hand.reward @ b / 6] * by_hand.steps
        expected = by_hand.hidden(i, told)
        assert expected.abs().max() > 1e-3
        assert_close(found[i], expected, rtol=1e-12, atol=1e-14)
    assert_close(found[2], by_hand.last(), rtol=1e-12, atol=1e-14)


def test_brp_target_by_hand(by_hand: Any, prepared: Prepared) -> None:
    rule = prepared(Brp(form="target"), by_hand)
    found = by_hand.gradients(rule)
    _, potentials, _ = by_hand.forward()
    for i, b in enumerate(rule.feedback().values()):
        spikes = [(u > 1).double() for u in potentials[i]]
        expected = by_hand.hidden(i, [(s - by_hand.reward @ b) / 6 for s in spikes])
        assert_close(found[i], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("error", ["gradient", "softmax", "sign"])
def test_direct_feedback_alignment_by_hand(by_hand: Any, prepared: Prepared, error: str) -> None:
    rule = prepared(make_rule(f"direct_feedback_alignment(error={error})"), by_hand)
    found = by_hand.gradients(rule)
    wrong = by_hand.wrong()
    if error != "gradient":
        wrong = wrong * by_hand.steps
    if error == "sign":
        wrong = wrong.sign() / 6
    for i, b in enumerate(rule.feedback().values()):
        expected = by_hand.hidden(i, [wrong @ b] * by_hand.steps)
        assert expected.abs().max() > 1e-4
        assert_close(found[i], expected, rtol=1e-12, atol=1e-14)
    assert_close(found[2], by_hand.last(), rtol=1e-12, atol=1e-14)


def test_matrices_are_kaiming_uniform_of_the_outputs_shape(by_hand: Any) -> None:
    model = MODELS.build("cnn7", input_shape=(1, 8, 8), classes=10, width=0.25)
    rule = Brp()
    rule.prepare(model, (1, 8, 8), 10, seed=0)
    held = rule.feedback()
    assert [tuple(b.shape) for b in held.values()] == [
        *((10, 16, 8, 8), (10, 16, 4, 4), (10, 32, 4, 4)),
        *((10, 32, 2, 2), (10, 64, 2, 2), (10, 64, 1, 1)),
    ]
    for b in held.values():
        bound = sqrt(6 / b[0].numel())
        assert 0.97 * bound < b.abs().max() <= bound
        assert b.std() == pytest.approx(bound / sqrt(3), rel=0.06)


@pytest.mark.parametrize("spec", LOCAL)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_no_gradient_crosses_layers(name: str, spec: str) -> None:
    """Other weights above leave the gradients below as they are, of every architecture.

    Direct feedback alignment tells layers the error of the outputs: there, it is held fixed.
    """
    rule, network, x = _trainable(name, spec, steps=1)
    layers = list(rule.feedback())
    error = torch.randn(1, 4, 10, generator=torch.Generator().manual_seed(2)).double()
    rule.error = lambda *given: error  # type: ignore[method-assign]
    before = _gradients(rule, network, x)
    half = layers[len(layers) // 2]
    above = _behind(network, half)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if key in above:
                parameter.mul_(-0.3).add_(0.01)
    after = _gradients(rule, network, x)
    below = [key for key in before if key not in above]
    assert below
    assert above
    for key in below:
        assert torch.equal(before[key], after[key]), key
    assert any(not torch.equal(before[key], after[key]) for key in above)


@pytest.mark.parametrize("name", ["cnn7", "resnet18"])
def test_no_gradient_crosses_layers_in_time(name: str) -> None:
    rule, network, x = _trainable(name, "brp", steps=3)
    before = _gradients(rule, network, x)
    above = _behind(network, list(rule.feedback())[1])
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if key in above:
                parameter.zero_()
    after = _gradients(rule, network, x)
    for key in before.keys() - above:
        assert torch.equal(before[key], after[key]), key
        assert before[key].any()


def _trainable(name: str, spec: str, steps: int) -> tuple[LocalRule, nn.Module, Tensor]:
    torch.manual_seed(1)
    parts = Parts("fire" if steps == 1 else "lif")
    shape = (1, 32, 32) if "imagenet" in name else (1, 16, 16)
    model = MODELS.build(name, input_shape=shape, classes=10, parts=parts, width=0.0625)
    network = unroll(model, steps).double()
    rule: Any = make_rule(spec)
    rule.prepare(network, shape, 10, 0)
    return rule.double(), network, torch.randn(4, *shape).double()


def _gradients(rule: LocalRule, network: Any, x: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    with rule.attached(network):
        stepped = hasattr(network, "each_step")
        outputs = network.each_step(x) if stepped else network(x).unsqueeze(0)
        reward = torch.eye(10)[torch.arange(4)].double()
        rule.credit(outputs.square().sum(), outputs, outputs.mean(0), reward).backward()
    return {key: p.grad.clone() for key, p in network.named_parameters()}


def _behind(network: nn.Module, layer: str) -> set[str]:
    """The names of the parameters that come after the neurons called ``layer``, in order."""
    rooms = ("encode", "features", "readout")
    order = [
        f"{room}.{name}".strip(".")
        for room in rooms
        for name, _ in network.get_submodule(room).named_modules()
    ]
    return {
        f"{name}.{key}"
        for name in order[order.index(layer) + 1 :]
        for key, _ in network.get_submodule(name).named_parameters(recurse=False)
        if not name.startswith((f"{layer}.", "encode"))
    }


class AroundNeurons(nn.Module):
    """A skip that nobody was told of."""

    def __init__(self) -> None:
        super().__init__()
        model = MODELS.build("mlp", input_shape=(1, 4, 4), classes=5, width=0.02)
        self.encode, self.features, self.readout = model.encode, model.features, model.readout

    def forward(self, x: Tensor) -> Tensor:
        u = self.encode(x)
        found: Tensor = self.readout(self.features(u) + u)
        return found


@pytest.mark.parametrize("spec", LOCAL)
def test_a_network_that_leaks_is_refused(spec: str) -> None:
    with pytest.raises(UnsupportedError, match=r"where encode\.1\.\S+ moves the outputs of featu"):
        make_rule(spec).prepare(AroundNeurons(), (1, 4, 4), 5, 0)
    with pytest.raises(UnsupportedError, match="a network without encode by the rule"):
        make_rule(spec).prepare(nn.Sequential(nn.Flatten(), nn.Linear(16, 5)), (1, 4, 4), 5, 0)


def test_preparing_leaves_network_and_random_state_alone() -> None:
    network = MODELS.build("cnn7", input_shape=(1, 8, 8), classes=10, width=0.0625)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.get_rng_state()
    DirectFeedbackAlignment().prepare(network, (1, 8, 8), 10, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="unknown form of brp 'targets': did you mean 'target'"):
        make_rule("brp(form=targets)")
    with pytest.raises(UsageError, match=r"brp needs scale > 0, .* got 0"):
        make_rule("brp(scale=0)")
    with pytest.raises(UsageError, match="unknown error of direct_feedback_alignment 'sing'"):
        make_rule("direct_feedback_alignment(error=sing)")
    with pytest.raises(UsageError, match="unknown option of rule brp 'p'"):
        make_rule("brp(p=1)")


@pytest.mark.parametrize("spec", ["brp", "direct_feedback_alignment"])
def test_neurons_that_are_called_twice_are_refused(spec: str) -> None:
    network = MODELS.build("mlp", input_shape=(1, 4, 4), classes=5, width=0.02)
    network.features[2] = network.features[0]
    with pytest.raises(UnsupportedError, match=r"features\.0 is called twice"):
        make_rule(spec).prepare(network, (1, 4, 4), 5, 0)
