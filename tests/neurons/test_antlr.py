"""ANTLR's two gradients against loops over scalars, and its activation rule against autograd."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.clock import Unroll, unroll
from s3nn.clock.encoders import Frames
from s3nn.errors import UnsupportedError, UsageError
from s3nn.losses import Latency
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.neurons import Antlr, make_neuron
from s3nn.surrogates import Surrogate, spike

STEPS, SAMPLES, PIXELS = 7, 5, 6
KEEP_I, KEEP_V = 0.8, 0.7  # tau_s 5, tau_m 10/3
SPEC = f"tau_s=5, tau_m={10 / 3}"


@dataclass(frozen=True)
class Exponential(Surrogate):
    """e^(-3 |u - theta|)."""

    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        raise NotImplementedError

    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        return torch.exp(-3 * (u - threshold).abs())


def network(rule: str, answer: str) -> Unroll:
    torch.manual_seed(1)
    spec = f"antlr({SPEC}, rule={rule}, answer={answer})"
    model = Mlp((1, 1, PIXELS), 3, Parts(spec), width=0.0125, norm=False)
    net = unroll(model.double(), STEPS, Frames(STEPS), output=make_neuron(spec, 3).double())
    assert isinstance(net, Unroll)
    for name, parameter in net.named_parameters():
        drawn = torch.randn_like(parameter)
        parameter.data = 0.1 * drawn if name.endswith("bias") else 0.8 * drawn.abs() + 0.4 * drawn
    return net.train()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images() -> Tensor:
    drawn = torch.rand(SAMPLES, STEPS, 1, PIXELS, generator=seeded(2))
    return (drawn < 0.3).double()


def layers(net: Unroll) -> tuple[list[Tensor], list[Tensor]]:
    named = dict(net.named_parameters())
    return (
        [p for name, p in named.items() if name.endswith("weight")],
        [p for name, p in named.items() if name.endswith("bias")],
    )


def by_hand(
    net: Unroll, gain: float, top: Tensor, rule: str, answer: str
) -> tuple[list[Tensor], list[Tensor]]:
    """The gradients of weights and biases, a neuron, a sample and a step at a time."""
    weights, biases = layers(net)
    seen = images().transpose(0, 1).reshape(STEPS, SAMPLES, -1)
    spikes, potentials, slopes = [seen], [], []
    for w, b in zip(weights, biases, strict=True):
        s = torch.zeros(STEPS, SAMPLES, len(w), dtype=torch.float64)
        v, slope = torch.zeros_like(s), torch.zeros_like(s)
        for n in range(SAMPLES):
            for j in range(len(w)):
                current = potential = fired = 0.0
                for t in range(STEPS):
                    current = float(spikes[-1][t, n] @ w[j].detach()) + KEEP_I * current * (
                        1 - fired
                    )
                    left = potential * (1 - fired)
                    potential = gain * (current + b[j].item()) + KEEP_V * left
                    fired = float(potential > 1)
                    slope[t, n, j] = max(potential - left, 0.01)
                    v[t, n, j], s[t, n, j] = potential, fired
        spikes.append(s)
        potentials.append(v)
        slopes.append(slope)
    of_times, of_spikes = torch.zeros_like(top), top
    if answer == "times":
        of_times, of_spikes = top, top * (spikes[-1].sum(0) == 0)
    grad_w = [torch.zeros_like(w) for w in weights]
    grad_b = [torch.zeros_like(b) for b in biases]
    for layer in range(len(weights) - 1, -1, -1):
        w, s = weights[layer].detach(), spikes[layer + 1]
        below, e_below = torch.zeros_like(spikes[layer]), torch.zeros_like(spikes[layer])
        for n in range(SAMPLES):
            for j in range(len(w)):
                d_next = whole = grad_i = e1 = e2 = 0.0
                for t in range(STEPS - 1, -1, -1):
                    v, fired = potentials[layer][t, n, j].item(), s[t, n, j].item()
                    d = 0.0
                    if rule != "timing":
                        d += exp(-3 * abs(v - 1)) * of_spikes[t, n, j].item()
                    if rule != "activation" and fired:
                        d -= of_times[t, n, j].item() / slopes[layer][t, n, j].item()
                    whole = d + KEEP_V * (1 - fired) * whole
                    grad_i = gain * whole + KEEP_I * (1 - fired) * grad_i
                    e1 = (1 - fired) * (d_next / 2 + KEEP_V * e1) - KEEP_V * d / 2
                    e2 = KEEP_I * (1 - fired) * e2 - gain * KEEP_I * d / 2 + gain * e1
                    d_next = d
                    grad_w[layer][j] += grad_i * spikes[layer][t, n]
                    grad_b[layer][j] += gain * whole
                    below[t, n] += grad_i * w[j]
                    e_below[t, n] += e2 * w[j]
        of_spikes, of_times = below, spikes[layer] * e_below
    return grad_w, grad_b


@pytest.mark.parametrize(
    ("rule", "answer"),
    [("activation", "spikes"), ("timing", "times"), ("both", "times"), ("both", "spikes")],
)
def test_gradients_are_the_authors(rule: str, answer: str) -> None:
    net = network(rule, answer)
    outputs = net.each_step(images())
    hidden = net.features(net.currents(images()))  # spikes, and zeros behind them
    assert 0.05 < hidden[: len(hidden) // 2].mean() < 0.95
    assert 0.02 < outputs.mean() < 0.9
    top = torch.randn(STEPS, SAMPLES, 3, dtype=torch.float64, generator=seeded(3))
    (outputs * top).sum().backward()
    gain = next(m for m in net.modules() if isinstance(m, Antlr)).constants.gain
    expected_w, expected_b = by_hand(net, gain, top, rule, answer)
    weights, biases = layers(net)
    assert_close([w.grad for w in weights], expected_w)
    assert_close([b.grad for b in biases], expected_b)
    assert all(g.any() for g in expected_w)


def test_activation_is_autograd_with_an_exponential_surrogate() -> None:
    net = network("activation", "spikes")
    top = torch.randn(STEPS, SAMPLES, 3, dtype=torch.float64)
    (net.each_step(images()) * top).sum().backward()
    weights, biases = layers(net)
    gain = next(m for m in net.modules() if isinstance(m, Antlr)).constants.gain
    leaves = [p.detach().clone().requires_grad_() for p in (*weights, *biases)]
    seen = list(images().transpose(0, 1).reshape(STEPS, SAMPLES, -1))
    for w, b in zip(leaves[:3], leaves[3:], strict=True):
        current = v = s = torch.zeros(SAMPLES, len(w), dtype=torch.float64)
        spikes = []
        for x in seen:
            current = x @ w.T + KEEP_I * current * (1 - s.detach())
            v = gain * (current + b) + KEEP_V * v * (1 - s.detach())
            s = spike(v, 1.0, Exponential())
            spikes.append(s)
        seen = spikes
    (torch.stack(seen) * top).sum().backward()
    assert_close([p.grad for p in (*weights, *biases)], [leaf.grad for leaf in leaves])


def test_a_spike_raises_the_potential_to_one() -> None:
    impulse = torch.zeros(60, 1, 1, dtype=torch.float64)
    impulse[0] = 0.999
    potentials = Antlr(tau_s=5, tau_m=8).double().potentials(impulse)
    assert_close(potentials.max().item(), 0.999)


def test_evaluation_shows_spikes_alone() -> None:
    net = network("both", "times")
    trained = net.each_step(images())
    assert torch.equal(net.eval().each_step(images()), trained)
    assert net.features(net.currents(images())).shape[0] == STEPS * SAMPLES


def test_the_loss_of_times_puts_its_gradient_at_first_spikes() -> None:
    outputs = torch.zeros(4, 3, 2, dtype=torch.float64)
    outputs[1, 0, 0] = outputs[3, 0, 0] = outputs[2, 0, 1] = 1  # sample 0: times 1 and 2
    outputs[0, 1, 1] = 1  # sample 1: its label 0 is silent
    outputs.requires_grad_()
    labels = torch.tensor([0, 0, 1])
    loss = Latency(scale=2.0, silence=0.3)(outputs, outputs.sum(0), labels)
    (grad,) = torch.autograd.grad(loss, outputs)
    early = torch.tensor([[1.5, 1.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    expected = -nn.functional.log_softmax(early, 1)[range(3), labels].mean() + 0.3 * 2 / 3
    assert_close(loss, expected)
    error = early.softmax(1) - nn.functional.one_hot(labels, 2)
    wanted = torch.zeros_like(grad)
    wanted[1, 0, 0], wanted[2, 0, 1] = error[0, 0] / -6, error[0, 1] / -6  # N scale = 6
    wanted[0, 1, 1] = error[1, 1] / -6
    wanted[:, 1, 0] -= 0.1
    wanted[:, 2, 1] -= 0.1
    assert_close(grad, wanted)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="unknown rule of antlr 'tming': did you mean 'timing'"):
        make_neuron("antlr(rule=tming)", 2)
    with pytest.raises(UsageError, match="antlr needs 1 <= tau_s, tau_m < inf steps, got inf"):
        make_neuron("antlr(tau_s=inf)", 2)
    plain = Mlp((1, 2, 2), 3, Parts("antlr"), norm=False)
    with pytest.raises(UsageError, match="hidden ones are antlr, those of the outputs none"):
        unroll(plain, 3)
    leaky = Mlp((1, 2, 2), 3, Parts("lif"), norm=False)
    with pytest.raises(UsageError, match="hidden ones are lif, those of the outputs antlr"):
        unroll(leaky, 3, output=Antlr(channels=3))
    with pytest.raises(UnsupportedError, match=r"BatchNorm2d.*only layers without bias"):
        unroll(Cnn7((1, 8, 8), 3, Parts("antlr"), 0.1), 3, output=Antlr(channels=3))
    with pytest.raises(UsageError, match=r"latency needs scale > 0, got 0"):
        Latency(scale=0)
