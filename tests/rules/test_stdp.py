"""STDP: pair sums against every pair, competition step by step, a layer that learns patterns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from math import exp

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.rules import Stdp, make_rule
from s3nn.rules._competition import Competition, Plasticity
from s3nn.rules._pairs import Pairs, pair_sums
from s3nn.rules.stdp import patches
from s3nn.synapses import Integer, Real, SynapticConv2d


@pytest.mark.parametrize("pairs", ["all", "nearest"])
@pytest.mark.parametrize("tau", [1.5, 20.0])
def test_pair_sums_are_sums_over_pairs(pairs: Pairs, tau: float) -> None:
    torch.manual_seed(0)
    pre = (torch.rand(9, 3, 4) < 0.4).double()
    post = (torch.rand(9, 3, 2) < 0.4).double()
    expected = torch.zeros(2, 2, 4, dtype=torch.float64)
    for n in range(3):
        for j in range(2):
            for i in range(4):
                t_pre = [t for t in range(9) if pre[t, n, i]]
                t_post = [t for t in range(9) if post[t, n, j]]
                for t in t_post:
                    earlier = [p for p in t_pre if p <= t]
                    paired = earlier if pairs == "all" else earlier[-1:]
                    expected[0, j, i] += sum(exp(-(t - p) / tau) for p in paired)
                for t in t_pre:
                    earlier = [p for p in t_post if p < t]
                    paired = earlier if pairs == "all" else earlier[-1:]
                    expected[1, j, i] += sum(exp(-(t - p) / tau) for p in paired)
    assert expected.min() > 0
    assert_close(torch.stack(pair_sums(pre, post, tau, pairs)), expected)


def test_one_neuron_fires_and_silences_all() -> None:
    torch.manual_seed(0)
    arriving = (torch.rand(12, 40, 10) < 0.2).double()
    neurons = Competition(torch.rand(5, 10).double(), threshold=5.5, tau_m=4.0)
    neurons.threshold[0] = 6.5
    fired = neurons.present(arriving)
    assert 0.3 < fired.sum() / 40 < 1
    for n in range(40):
        u = torch.zeros(5, dtype=torch.float64)
        expected = torch.zeros(12, 5, dtype=torch.float64)
        for t in range(12):
            u = 0.75 * u + neurons.weight @ arriving[t, n]
            if (u > neurons.threshold).any():
                expected[t, (u - neurons.threshold).argmax()] = 1
                break
        assert torch.equal(fired[:, n], expected)


def test_a_batch_changes_weights_and_thresholds() -> None:
    torch.manual_seed(0)
    how = Plasticity(rate=0.2, depress=0.5, tau=3.0, pairs="all", homeostasis=0.1)
    arriving = (torch.rand(6, 20, 8) < 0.3).double()
    neurons = Competition(torch.rand(4, 8).double(), threshold=1.5, tau_m=10.0)
    weight = neurons.weight.clone()
    fired = neurons.present(arriving)
    up, down = pair_sums(arriving, fired, 3.0)
    wins = fired.sum((0, 1))
    assert torch.equal(neurons.learn(arriving, how), wins)
    for j in range(4):
        change = up[j] * (1 - weight[j]) - 0.5 * down[j] * weight[j]
        expected = weight[j] if wins[j] == 0 else weight[j] + 0.2 * change / wins[j]
        assert_close(neurons.weight[j], expected.clamp(0, 1))
    assert_close(neurons.threshold, 1.5 + 0.15 * (wins * 4 / 20 - 1))


def bars() -> Iterator[Tensor]:
    """Four bars in images of 4x4, with noise, a batch at a time."""
    generator = torch.Generator().manual_seed(0)
    while True:
        x = 0.2 * torch.rand(40, 1, 4, 4, generator=generator)
        for n in range(40):
            x[n, 0, n % 4] = 1.0
        yield x


@pytest.mark.parametrize("pairs", ["all", "nearest"])
def test_neurons_come_to_stand_for_patterns(pairs: str) -> None:
    torch.manual_seed(3)
    network = Mlp((1, 4, 4), 4, width=0.01)
    rule = make_rule(f"stdp(images=4000, pairs={pairs})")
    layer = network.encode[1][0]
    before = layer.weight.detach().clone()
    rule.pretrain(network, bars(), seed=0)
    assert_close(layer.weight.norm(dim=1), before.norm(dim=1))
    x = next(bars())[:4].flatten(1)
    answers = x @ layer.weight.T
    assert sorted(answers.argmax(1).tolist()) == [0, 1, 2, 3], answers
    assert answers.max(1).values.min() > 1.5 * answers.topk(2).values[:, 1].max()


@pytest.mark.parametrize("homeostasis", [0.0, 0.01])
def test_homeostasis_makes_all_neurons_win_as_often(homeostasis: float) -> None:
    how = Plasticity(rate=0.0, depress=1.0, tau=4.0, pairs="all", homeostasis=homeostasis)
    generator = torch.Generator().manual_seed(0)
    neurons = Competition(torch.rand(4, 20, generator=generator), threshold=2.0, tau_m=20.0)
    neurons.threshold[1] = 1.0
    won = [
        neurons.learn((torch.rand(8, 100, 20, generator=generator) < 0.1).float(), how)
        for _ in range(60)
    ]
    shares = torch.stack(won)[-20:].sum(0) / torch.stack(won)[-20:].sum()
    if homeostasis:
        assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.08)
    else:
        assert shares[1] > 0.6


def test_brighter_pixels_spike_earlier() -> None:
    """Those above the mean at their on afferent, those below it at their off afferent."""
    x = torch.tensor([[0.7, 0.5, 0.3], [0.2, 0.2, 0.2]])
    shown = Stdp(steps=5).spikes(x)
    assert torch.equal(shown.sum(0), torch.ones(2, 6))
    assert shown.argmax(0).tolist() == [[0, 2, 4, 4, 2, 0], [2] * 6]


def test_patches_are_what_the_convolution_reads() -> None:
    """A product with the rows is the convolution, at places of the image."""
    torch.manual_seed(0)
    layer = SynapticConv2d(Real(), 2, 6, 3, stride=2, padding=1)
    images = torch.rand(4, 2, 9, 8)
    rows = patches(layer, images, 5, torch.Generator().manual_seed(0))
    answers = (rows @ layer.weight.flatten(1).T).view(4, 5, 6)
    outputs = layer(images).flatten(2).transpose(1, 2)
    apart = (answers[:, :, None] - outputs[:, None]).abs().amax(3).amin(2)
    assert apart.max() < 1e-5
    blank = torch.zeros(1, 2, 9, 8)
    blank[:, :, :3] = torch.rand(2, 3, 8)
    seen = patches(layer, blank, 50, torch.Generator().manual_seed(0))
    assert (seen.var(1) > 1e-3).all()


def test_the_seed_decides_and_quantised_synapses_follow() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        network = Cnn7((1, 8, 8), 10, Parts("fire", "integer(bits=4)"), width=0.0625)
        layer: SynapticConv2d = network.encode[0]
        step = layer.synapse.log_step.detach().clone()
        rule = Stdp(images=200)
        rule.prepare(network, (1, 8, 8), 10, seed)
        rule.pretrain(network, repeat(torch.rand(50, 1, 8, 8)), seed)
        assert isinstance(layer.synapse, Integer)
        assert not torch.equal(layer.synapse.log_step, step)
        weights.append(layer.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_what_stdp_cannot_do() -> None:
    for spec, message in {
        "stdp(pairs=some)": "unknown pairs of stdp 'some'",
        "stdp(steps=1)": r"stdp needs steps - 1 > 0, got 0",
        "stdp(images=-1)": r"stdp needs images >= 0, got -1",
        "stdp(tau_m=0.5)": r"stdp needs tau_m >= 1 step, got 0\.5",
    }.items():
        with pytest.raises(UsageError, match=message):
            make_rule(spec)
    network = Mlp((1, 8, 1), 10, width=0.1)
    with pytest.raises(
        UnsupportedError, match="a first layer that reads 8 values where images hav"
    ):
        Stdp().prepare(network, (1, 8, 8), 10, 0)
    wide = Cnn7((1, 8, 8), 10, width=0.1)
    wide.encode[0].padding = "same"
    with pytest.raises(UnsupportedError, match="a first layer with padding='same'"):
        Stdp().prepare(wide, (1, 8, 8), 10, 0)
    network.encode = nn.Sequential(network.encode, network.features[1])
    with pytest.raises(UnsupportedError, match="stdp of an encode with 2 synapses"):
        Stdp().prepare(network, (1, 8, 8), 10, 0)
