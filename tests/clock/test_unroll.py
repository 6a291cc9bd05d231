"""Steps folded into the batch are the loop over steps that one would write by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.clock import Scan, Unroll, unroll
from s3nn.clock.readouts import Sum
from s3nn.errors import UsageError
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.neurons import Lif, TemporalNeuron, make_neuron


def cnn(neuron: str) -> Cnn7:
    model = Cnn7((1, 8, 8), 10, Parts(neuron), width=0.0625).double()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    model(torch.randn(32, 1, 8, 8, dtype=torch.float64))  # statistics under which neurons fire
    return model.eval()


def step_by_step(model: Cnn7, x: Tensor, steps: int) -> Tensor:
    states: list[Tensor | None] = [None] * len(model.features)
    logits = []
    for _ in range(steps):
        current = model.encode(x)
        for i, layer in enumerate(model.features):
            if isinstance(layer, Lif):
                current, states[i] = layer.step(current, states[i])
            else:
                current = layer(current)
        logits.append(model.readout(current))
    return sum(logits[1:], logits[0]) / steps


@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize("steps", [2, 5])
def test_unroll_is_a_loop_over_steps(reset: str, steps: int) -> None:
    model = cnn(f"lif(tau=2.0, reset={reset})")
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    folded, loop = unroll(model, steps)(x), step_by_step(model, x, steps)
    assert_close(folded, loop)
    assert (folded - model(x)).abs().max() > 1e-3, "the steps differ"


def test_gradients_are_those_of_the_loop() -> None:
    model = cnn("lif")
    looped = copy.deepcopy(model)
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    folded = unroll(model, 3)
    folded(x).square().sum().backward()
    step_by_step(looped, x, 3).square().sum().backward()
    grads = [[p.grad for p in m.parameters()] for m in (folded, looped)]
    assert_close(grads[0], grads[1])


@pytest.mark.parametrize("neuron", ["fire", "lif"])
def test_one_step_is_a_copy(neuron: str) -> None:
    model = cnn(neuron)
    one = unroll(model, 1)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    assert type(one) is Cnn7
    assert one is not model
    assert torch.equal(one(x), model(x))
    with torch.no_grad():
        next(one.parameters()).zero_()
    assert not torch.equal(one(x), model(x))


@pytest.mark.parametrize("neuron", ["lif", "timing"])
def test_the_given_model_is_left_alone(neuron: str) -> None:
    model = cnn(neuron)
    names, state = [n for n, _ in model.named_modules()], copy.deepcopy(model.state_dict())
    unrolled = unroll(model, 3).train()
    assert isinstance(unrolled, Unroll)
    assert sum(isinstance(m, Scan) for m in unrolled.modules()) == 6
    unrolled(torch.randn(4, 1, 8, 8, dtype=torch.float64)).sum().backward()
    with torch.no_grad():
        for parameter in unrolled.parameters():
            parameter.add_(1)
    assert [n for n, _ in model.named_modules()] == names
    assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert all(p.grad is None for p in model.parameters())
    assert not model.training


def test_neurons_without_a_memory_are_not_repeated() -> None:
    with pytest.raises(UsageError, match="none of this model's neurons has a memory, so 4 steps"):
        unroll(Mlp((1, 4, 4), 10), 4)
    with pytest.raises(UsageError, match=r"without encode, features, readout .* \(Sequential\)"):
        unroll(torch.nn.Sequential(Lif()), 2)
    for steps in (0, -1):
        with pytest.raises(UsageError, match=f"1 step or more, got {steps}"):
            unroll(Mlp((1, 4, 4), 10, Parts("lif")), steps)


@pytest.mark.parametrize("neuron", ["lif", "timing", "fire"])
def test_neurons_behind_the_outputs(neuron: str) -> None:
    model, behind = Mlp((1, 4, 4), 5, Parts("lif"), norm=False).double(), make_neuron(neuron, 5)
    x = torch.randn(6, 1, 4, 4, dtype=torch.float64) * 3
    linear = unroll(model, 3)
    fires = unroll(model, 3, output=behind.double(), over_time=Sum(3))
    assert isinstance(linear, Unroll)
    assert isinstance(fires, Unroll)
    outputs = linear.each_step(x)
    run = behind.run if isinstance(behind, TemporalNeuron) else behind
    assert_close(fires.each_step(x), run(outputs))
    assert fires.each_step(x).any()
    assert_close(fires(x), run(outputs).sum(0))


def test_a_neuron_in_two_places_goes_through_time_in_both() -> None:
    def network(shared: bool) -> nn.Module:
        model = Mlp((1, 4, 4), 3, Parts("lif"), width=0.02)
        first, second = Lif(), Lif()
        model.features = nn.Sequential(first, nn.Linear(8, 8), first if shared else second)
        return model

    apart, shared = unroll(network(False), 4), unroll(network(True), 4)
    shared.load_state_dict(apart.state_dict(), strict=False)
    assert [type(m) for m in shared.features][:3] == [Scan, nn.Linear, Scan]
    x = 5 * torch.randn(6, 1, 4, 4)
    assert torch.equal(apart.eval()(x), shared.eval()(x))
