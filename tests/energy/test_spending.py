"""Meters on spikes, against the counts and a count by brute force."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from s3nn.clock import Windows, unroll
from s3nn.energy import PRICE_LISTS, count, price
from s3nn.energy.spending import Spending, of_energy, of_firing_rate, of_spikes
from s3nn.energy.watching import Meter, Watch
from s3nn.errors import UsageError
from s3nn.lean import lean
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.neurons import Fire
from s3nn.penalties import L1, Synaptic
from s3nn.registry import ENCODERS, MODELS

SHAPE = (1, 8, 8)


def spent(network: nn.Module, meter: Meter, x: Tensor) -> Tensor:
    """What a meter adds up, a sample."""
    watch = Watch(network, [meter])
    with watch.attached():
        network(x)
    return watch.taken(meter) / len(x)


class Branches(nn.Module):
    """Spikes with several readers, pools in between, a stride, groups, a layer that runs twice."""

    def __init__(self, stride: int, groups: int, padding: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.a, self.b, self.c = Fire(threshold=0.1), Fire(threshold=0.2), Fire(threshold=0.1)
        self.pool = nn.MaxPool2d(2)
        self.near = nn.Conv2d(4, 8, 3, stride, padding, groups=groups)
        self.twice = nn.Conv2d(8, 8, 1)
        self.far = nn.Linear(4 * 16, 5)
        self.out = nn.Linear(8, 5)
        self.mean = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        s = self.a(self.first(x))
        t = self.b(self.twice(self.c(self.twice(self.b(self.near(s))))))
        side: Tensor = self.far(self.pool(s).flatten(1))
        rest: Tensor = self.out(self.mean(t).flatten(1))
        return side + rest


@settings(max_examples=6, deadline=None)
@given(
    stride=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    padding=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_what_is_spent_is_what_is_counted(
    stride: int, groups: int, padding: int, seed: int
) -> None:
    torch.manual_seed(seed)
    network = Branches(stride, groups, padding).eval()
    x = torch.randn(3, *SHAPE)
    counts = count(network, [x])
    omega = spent(network, Synaptic(), x)
    assert omega.item() * len(x) == counts.acs
    assert spent(network, L1(), x).item() * len(x) == counts.spikes
    for prices in PRICE_LISTS.values():
        spending = of_energy(network, SHAPE, prices)
        found = spending.fixed + spent(network, spending, x).item()
        assert found == pytest.approx(price(counts, prices).total_pj, rel=1e-12)


EAGER = Parts(neuron="fire(threshold=0.2)")
NETWORKS = {
    **{name: (name, EAGER, 1, None) for name in ("cnn7", "mlp", "vgg11", "resnet18")},
    "lif": ("cnn7", Parts(neuron="lif"), 4, None),
    "rate": ("cnn7", Parts(neuron="lif"), 3, "rate"),
    "integer": ("cnn7", Parts("fire(threshold=0.2)", "integer(bits=4)"), 1, None),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_models_at_every_price(name: str) -> None:
    model, parts, steps, encoder = NETWORKS[name]
    torch.manual_seed(0)
    shape = (1, 16, 16)
    network = MODELS.build(model, input_shape=shape, classes=10, parts=parts, width=0.07)
    if steps > 1:
        shown = None if encoder is None else ENCODERS.build(encoder, steps=steps)
        network = unroll(network, steps, shown)
    network.eval()
    x = torch.rand(2, *shape) if encoder else torch.randn(2, *shape)
    counts = count(network, [x])
    assert counts.acs > 0
    energies = {key: of_energy(network, shape, prices) for key, prices in PRICE_LISTS.items()}
    spike, rate = of_spikes(network, shape), of_firing_rate(network, shape)
    watch = Watch(network, [*energies.values(), spike, rate])
    with watch.attached():
        network(x)
    for key, spending in energies.items():
        found = spending.fixed + watch.taken(spending).item() / 2
        assert found == pytest.approx(price(counts, PRICE_LISTS[key]).total_pj, rel=1e-12)
    assert watch.taken(spike).item() == counts.spikes
    assert watch.taken(rate).item() / 2 == pytest.approx(counts.firing_rate, rel=1e-12)


def test_e_ac_omega_is_the_energy_of_hidden_spikes() -> None:
    """At p = 1, beside accumulations counted one by one; p divides it."""
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
    network = nn.Sequential(Fire(threshold=0.5), conv)
    x = torch.randn(2, 2, 5, 5)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        expected = int(conv((x > 0.5).float()).sum())  # with weights of 1, a sum is a count
    assert spent(network, Synaptic(), x).item() * 2 == expected
    assert spent(network, Synaptic(p=2), x).item() * 4 == expected
    prices = PRICE_LISTS["float32_45nm"]
    counted = price(count(network, [x]), prices).layers[-1].total_pj
    assert 0.9 * expected / 2 == pytest.approx(counted, rel=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_the_gradient_is_the_surrogates_times_the_fan_out(p: float) -> None:
    """By hand: d Omega / d u = fan-out s^(p-1) sg(u), over a border and a stride."""
    torch.manual_seed(0)
    neuron, conv = Fire(threshold=0.5).double(), nn.Conv2d(1, 2, 3, stride=2, padding=1).double()
    u = torch.randn(3, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    (3 * spent(nn.Sequential(neuron, conv), Synaptic(p=p), u)).backward()
    fan = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    if 0 <= 2 * i + a < 4 and 0 <= 2 * j + b < 4:
                        fan[0, 0, 2 * i + a, 2 * j + b] += 2
    slope = neuron.surrogate.derivative(u.detach(), torch.tensor(0.5).double())
    fired = torch.ones_like(u) if p == 1 else (u > 0.5).double()
    torch.testing.assert_close(u.grad, fan * fired * slope)


def gradients(network: nn.Module, meter: Meter, x: Tensor) -> list[Tensor]:
    watch = Watch(network, [meter])
    network.zero_grad()
    with watch.attached():
        logits = network(x)
        (logits.square().sum() + 1e-3 * watch.taken(meter)).backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


def test_lean_steps_and_windows_have_the_same_gradient() -> None:
    torch.manual_seed(0)
    network, x = Cnn7(SHAPE, 10, width=0.07), torch.randn(4, *SHAPE)
    plain = gradients(network, Synaptic(), x)
    with lean(network):
        torch.testing.assert_close(gradients(network, Synaptic(), x), plain)


def test_a_window_that_runs_again_is_counted_once() -> None:
    torch.manual_seed(0)
    network = unroll(Mlp(SHAPE, 10, Parts(neuron="lif"), width=0.1), 4)
    x, found = torch.randn(4, *SHAPE), {}
    for recompute in (False, True):
        network.windows = Windows(1, recompute=recompute)  # type: ignore[assignment]
        torch.manual_seed(1)
        found[recompute] = gradients(network, Synaptic(), x)
    torch.testing.assert_close(found[True], found[False])
    network.windows = None  # type: ignore[assignment]
    network.eval()
    assert spent(network, Synaptic(), x).item() * 4 == count(network, [x]).acs


def test_half_precision_counts_exactly() -> None:
    network = nn.Sequential(Fire(threshold=0.5), nn.Linear(512, 3, bias=False))
    x = torch.ones(40, 512)
    with torch.autocast("cpu", torch.bfloat16):
        assert spent(network, Synaptic(), x).item() == 512 * 3


def test_what_does_not_spike_is_not_watched() -> None:
    with pytest.raises(UsageError, match="needs neurons that spike"):
        Watch(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), [L1()])
    assert isinstance(of_spikes(Mlp(SHAPE, 10), SHAPE), Spending)
