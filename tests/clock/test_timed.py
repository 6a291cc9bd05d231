"""Layers and networks of neurons that fire once: gradients, the twin in steps, counts."""

from __future__ import annotations

from itertools import product
from math import exp, inf

import pytest
import torch
from torch import Tensor, nn

from s3nn.clock import EarliestPool2d, Race, TimedLayer, race, timed, unroll
from s3nn.clock.encoders import Direct, Latency
from s3nn.clock.race import Arrivals
from s3nn.clock.readouts import FirstSpike, Mean
from s3nn.energy import count, lint
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Mlp, Parts
from s3nn.models.base import SpikingModel
from s3nn.neurons import make_neuron
from s3nn.neurons.sstdp import Sstdp
from s3nn.synapses import Integer, SynapticConv2d, SynapticLinear
from s3nn.synapses.real import Real
from s3nn.training.build import build_model

STEPS = 16
KERNELS: list[dict[str, float]] = [
    {},
    {"a": 0.8, "b": 0.2},
    {"a": 0.8, "b": 0.2, "tau": 3.0},
    {"a": 0.8, "b": 0.2, "balance": True},
]


def times_of(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    times = torch.randint(0, STEPS, shape, generator=generator).double()
    return times.masked_fill(torch.rand(shape, generator=generator) < 0.2, inf)


def kernel(t_i: float, t_j: float, a: float = 1.0, b: float = 0.0, tau: float = 0.0) -> float:
    """K of the docstring, spelled out."""
    if not tau:
        return a if t_i <= t_j and t_i < inf else -b
    gap = min(t_i, STEPS) - min(t_j, STEPS)
    return a * exp(gap / tau) if gap < 0 else -b * exp(-gap / tau) if gap > 0 else 0.0


def cause(t_i: float, t_j: float, tau: float) -> bool:
    if tau:
        return min(t_i, STEPS) < min(t_j, STEPS)
    return t_i <= t_j and t_i < inf


@pytest.mark.parametrize("options", KERNELS, ids=str)
def test_gradients_of_a_linear_layer_are_those_of_the_rule(
    options: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = TimedLayer(SynapticLinear(Real(), 9, 5), Sstdp(3.0, **options), STEPS).double()
    with torch.no_grad():
        layer.weights.weight -= 0.9 * layer.weights.weight.mean()
    before = times_of((6, 9), 0).requires_grad_()
    grad = torch.randn(6, 5, dtype=torch.float64)
    grad[2] = 0  # a sample without an error
    after = layer(before)
    assert after.isinf().any()
    assert after.isfinite().any()
    after.backward(grad)
    weight = layer.weights.weight
    of_weight, of_times = torch.zeros_like(weight), torch.zeros_like(before)
    given = {name: value for name, value in options.items() if name != "balance"}
    means = torch.zeros(6, 5)
    if "balance" in options:
        for n, j in product(range(6), range(5)):
            pairs = [kernel(t.item(), after[n, j].item(), **given) for t in before[n]]
            means[n, j] = sum(pairs) / 9
    for n in range(6):
        e = grad[n] / (grad[n].norm() + 1e-10)
        for j in range(5):
            for i in range(9):
                t_i, t_j = before[n, i].item(), after[n, j].item()
                of_weight[j, i] -= e[j] * (kernel(t_i, t_j, **given) - means[n, j]) / 6
                of_times[n, i] += e[j] * weight[j, i] * cause(t_i, t_j, options.get("tau", 0.0))
    torch.testing.assert_close(weight.grad, of_weight.detach())
    torch.testing.assert_close(before.grad, of_times.detach())
    assert weight.grad is not None
    first, weight.grad = weight.grad, None
    monkeypatch.setattr(timed, "COMPARED", 1)  # a row at a time, as wide layers are
    layer(before.detach()).backward(grad)
    torch.testing.assert_close(weight.grad, first)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 0, 1), (2, 2, 2)])
def test_a_convolution_is_a_linear_layer_at_every_place(
    stride: int, padding: int, dilation: int
) -> None:
    conv = SynapticConv2d(Real(), 2, 3, 3, stride=stride, padding=padding)
    conv.dilation = (dilation, dilation)
    layer = TimedLayer(conv, Sstdp(1.5, start=3), STEPS).double()
    before = times_of((2, 2, 9, 7), 1).requires_grad_()
    after = layer(before)
    zeros = nn.functional.conv2d(
        torch.zeros(2, 2, 9, 7), conv.weight.float(), None, stride, padding, dilation
    )
    assert after.shape == zeros.shape
    grad = torch.randn(after.shape, dtype=torch.float64)
    after.backward(grad)
    error = grad / grad.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    # Step by step: the raster's convolution, and the gradient as that convolution's own transpose.
    potential, found = 0.0, torch.full_like(after, inf)
    for step in range(STEPS):
        spikes = (before.detach() == step).double()
        potential = potential + nn.functional.conv2d(
            spikes, conv.weight, None, stride, padding, dilation
        )
        found = torch.where((potential > 1.5) & found.isinf(), step, found)
    assert torch.equal(after, found)
    of_weight = torch.zeros_like(conv.weight)
    for step in range(STEPS):
        weight = conv.weight.detach().clone().requires_grad_()
        spikes = (before.detach() == step).double()
        current = nn.functional.conv2d(spikes, weight, None, stride, padding, dilation)
        current.backward(-error * (after.detach() >= step) / 2)
        assert weight.grad is not None
        of_weight += weight.grad
    torch.testing.assert_close(conv.weight.grad, of_weight)
    of_times = torch.zeros_like(before)
    for step in range(STEPS):
        spikes = torch.zeros(before.shape, dtype=torch.float64, requires_grad=True)
        current = nn.functional.conv2d(spikes, conv.weight, None, stride, padding, dilation)
        (down,) = torch.autograd.grad(current, spikes, error * (after.detach() >= step))
        of_times = of_times + down * (before.detach() == step)
    torch.testing.assert_close(before.grad, of_times)


def test_a_pool_passes_the_earliest_spike_and_its_gradient() -> None:
    times = torch.tensor([[[[3.0, 1.0], [inf, 2.0]]], [[[inf, inf], [inf, inf]]]])
    times.requires_grad_()
    earliest = EarliestPool2d(2)(times)
    assert earliest.flatten().tolist() == [1.0, inf]
    earliest.backward(torch.ones_like(earliest))
    assert times.grad is not None
    assert times.grad[0].flatten().tolist() == [0.0, 1.0, 0.0, 0.0]


class OnlyFirst(nn.MaxPool2d):
    """Of a raster's windows the first spike: what the pool of times is, step by step."""

    def forward(self, spikes: Tensor) -> Tensor:
        pooled = super().forward(spikes).unflatten(0, (STEPS, -1))
        return (pooled * (pooled.cumsum(0) <= 1)).flatten(0, 1)


class Convolutions(SpikingModel):
    """Two convolutions and two linear layers; pools behind the convolutions' neurons."""

    def __init__(self, parts: Parts, pools: bool) -> None:
        super().__init__((1, 12, 12))
        stride, pool = (1, nn.MaxPool2d(2)) if pools else (2, nn.Identity())
        self.encode = SynapticConv2d(Real(), 1, 4, 3, padding=1, stride=stride)
        self.features = nn.Sequential(
            parts.neurons(4),
            pool,
            SynapticConv2d(Real(), 4, 6, 3, stride=stride, padding=0 if pools else 1),
            parts.neurons(6),
            pool,
            nn.Flatten(),
            parts.weights(24 if pools else 54, 12),
            parts.neurons(12),
        )
        self.readout = parts.weights(12, 5)


NEURON = "sstdp(threshold=2, start={start})"


def pair(model: str) -> tuple[Race, nn.Module, Tensor]:
    """A network on times, the same one in steps, and images."""
    torch.manual_seed(3)
    parts = Parts(NEURON.format(start=6 if model == "mlp" else 5))
    plain: nn.Module = (
        Mlp((1, 12, 12), 5, parts, 0.05, norm=False)
        if model == "mlp"
        else Convolutions(parts, model == "pools")
    )
    plain = plain.double()
    encoder, first = Latency(STEPS), FirstSpike(STEPS, threshold=0.5)
    output = make_neuron(NEURON.format(start=5), 5).double()
    in_times = race(plain, encoder, first, output).double()
    in_steps = unroll(plain, STEPS, encoder, first, output)
    with torch.no_grad():  # weights of both signs, whose sums are exact
        theirs = [m.weight for m in in_steps.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        ours = [m.weights.weight for m in in_times.modules() if isinstance(m, TimedLayer)]
        for own, other in zip(ours, theirs, strict=True):
            own.copy_((64 * (own.mean() + 4 * (own - own.mean()))).round() / 64)
            other.copy_(own)
    images = torch.rand(7, 1, 12, 12, dtype=torch.float64)
    images[images < 0.3] = 0
    if model == "pools":
        in_steps.features[1] = in_steps.features[4] = OnlyFirst(2)  # type: ignore[operator,index]
    return in_times.eval(), in_steps.eval(), images


@pytest.mark.parametrize("model", ["mlp", "convolutions", "pools"])
def test_the_network_is_its_twin_in_steps_without_the_steps(model: str) -> None:
    in_times, in_steps, images = pair(model)
    answers = in_times(images)
    assert torch.equal(answers, in_steps(images))
    assert len(answers.unique()) > 3, "the answers differ, so that their equality says something"


@pytest.mark.parametrize("model", ["mlp", "convolutions"])
def test_it_counts_what_its_twin_in_steps_counts(model: str) -> None:
    in_times, in_steps, images = pair(model)
    ours, theirs = count(in_times, [images]), count(in_steps, [images])
    assert ours.parameters == theirs.parameters
    assert 0 < ours.spikes == theirs.spikes
    assert ours.spikes <= len(images) * sum(layer.neurons for layer in ours.layers), "one a neuron"
    both = [
        [x for x in counts.layers if x.operation in ("conv", "linear", "neuron", "encode")]
        for counts in (ours, theirs)
    ]
    for own, other in zip(*both, strict=True):
        mine = {k: v for k, v in vars(own).items() if k != "name"}
        assert mine == {k: v for k, v in vars(other).items() if k != "name"}, own.name
    assert not lint(in_times, ours)


def test_a_silent_output_has_a_gradient() -> None:
    in_times, _, images = pair("mlp")
    with torch.no_grad():
        in_times.readout.weights.weight.fill_(1e-6)  # type: ignore[union-attr]
    answers = in_times(images)
    assert not answers.any()
    (-answers).sum().backward()  # earlier, all of them
    grad = in_times.readout.weights.weight.grad  # type: ignore[union-attr]
    assert isinstance(grad, Tensor)
    assert (grad <= 0).all()
    assert (grad < 0).any()


def test_dead_neurons_are_drawn_anew() -> None:
    layer = TimedLayer(SynapticLinear(Real(), 4, 3), Sstdp(2.0, start=6, redraw=0.5), STEPS)
    with torch.no_grad():
        layer.weights.weight[1] = -1.0
    before = layer.weights.weight.detach().clone()
    layer(torch.zeros(8, 4))
    assert (layer.fired[1], layer.seen) == (0, 8)
    layer.eval()(torch.zeros(8, 4))
    assert layer.seen == 8, "evaluation is no training"
    generator = torch.Generator().manual_seed(0)
    assert layer.redraw(generator) == 1
    after = layer.weights.weight.detach()
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert (after[1] >= 0).all()
    assert 0 < after[1].max() <= 6 * 2.0 / 4
    assert layer.seen == 0
    assert layer.redraw(generator) == 0


def test_potentials_are_those_at_the_spike_or_at_the_end() -> None:
    layer = TimedLayer(SynapticLinear(Real(), 3, 2), Sstdp(2.0), STEPS)
    with torch.no_grad():
        layer.weights.weight.copy_(torch.tensor([[1.5, 1.0, 9.0], [1.0, 0.5, -1.0]]))
    assert layer.potential(torch.tensor([[0.0, 1.0, 2.0]])).tolist() == [[2.5, 0.5]]


def test_what_does_not_fit_is_refused() -> None:
    encoder, first, mlp = Latency(STEPS), FirstSpike(STEPS), Mlp((1, 8, 8), 10, Parts("sstdp"))
    with pytest.raises(UnsupportedError, match=r"BatchNorm1d\) in a network of spike times"):
        race(mlp, encoder, first, Sstdp())
    plain = Mlp((1, 8, 8), 10, Parts("sstdp"), norm=False)
    with pytest.raises(UsageError, match=r"write --model\.output sstdp"):
        race(plain, encoder, first)
    with pytest.raises(UsageError, match=r"the encoder direct with the read-out first"):
        race(plain, Direct(STEPS), first, Sstdp())
    with pytest.raises(UsageError, match=r"read-out mean"):
        race(plain, encoder, Mean(STEPS), Sstdp())
    pooled = Convolutions(Parts("sstdp"), pools=False)
    pooled.encode = nn.Sequential(pooled.encode, nn.MaxPool2d(2))
    with pytest.raises(UnsupportedError, match="pool behind neurons"):
        race(pooled, encoder, first, Sstdp())
    mixed = Mlp((1, 8, 8), 10, Parts("fire"), norm=False)
    with pytest.raises(UnsupportedError, match=r"Fire\) in a network of spike times"):
        race(mixed, encoder, first, Sstdp())
    biased = SynapticLinear(Real(), 4, 3, bias=True)
    with pytest.raises(UnsupportedError, match="a bias of neurons"):
        TimedLayer(biased, Sstdp(), STEPS)
    grouped = SynapticConv2d(Real(), 4, 4, 3, groups=2)
    with pytest.raises(UnsupportedError, match="in 2 groups"):
        TimedLayer(grouped, Sstdp(), STEPS)


def test_names_make_such_a_network() -> None:
    from s3nn.config import Gates
    from s3nn.recipes import find_recipe

    model = find_recipe("fashion_sstdp").model
    net = build_model(model, (1, 28, 28), 10, mean=(0.3,), std=(0.3,))
    assert isinstance(net, Race)
    assert [tuple(p.shape) for p in net.parameters()] == [(1600, 784), (10, 1600)]
    assert (net.steps, len(net.hidden)) == (255, 1)
    with pytest.raises(UnsupportedError, match="gates on spike times"):
        build_model(model, (1, 28, 28), 10, gates=Gates(spatial=True))


def test_neurons_drawn_anew_leave_the_trained_steps_of_the_others() -> None:
    layer = TimedLayer(SynapticLinear(Integer(4), 9, 5), Sstdp(3.0, redraw=0.5), STEPS)
    log_step = layer.weights.synapse.log_step
    with torch.no_grad():
        log_step += 1
        layer.weights.weight[1] = -1.0
        layer.weights.weight[[0, 2, 3, 4]] = 9.0
    before = log_step.detach().clone()
    layer(torch.zeros(8, 9))
    assert layer.redraw(torch.Generator().manual_seed(0)) == 1
    assert layer.weights.synapse.log_step is log_step
    assert (log_step != before).tolist() == [False, True, False, False, False]


def test_images_are_scaled_and_late_spikes_left_out_in_both_forms() -> None:
    x = torch.rand(5, 1, 8, 8)
    encoder = Latency(4, least=0.2, tau=4.0, side=4)
    arrivals = Arrivals(encoder)(x)
    assert arrivals.shape == (5, 1, 4, 4)
    in_steps = encoder(x).unflatten(0, (4, 5))
    ticks = torch.arange(4).view(-1, 1, 1, 1, 1)
    assert torch.equal((arrivals == ticks).float(), in_steps)
    assert arrivals[arrivals.isfinite()].max() < 4


def test_a_pool_of_times_has_the_places_of_a_max_pool() -> None:
    times, options = torch.rand(2, 1, 5, 5), {"ceil_mode": True}
    assert torch.equal(EarliestPool2d(2, **options)(times), -nn.MaxPool2d(2, **options)(-times))
