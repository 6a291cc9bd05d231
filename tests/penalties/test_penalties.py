"""Penalties against the authors' formulas, written out."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch
from torch import Tensor, nn

from s3nn.clock import Scan, unroll
from s3nn.config import Fit, Model, Run
from s3nn.config import Penalty as PenaltySection
from s3nn.energy.watching import Watch
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Mlp, Parts
from s3nn.neurons import Fire, Lif
from s3nn.penalties import L1, Bursts, Hoyer, Penalty, Synaptic
from s3nn.registry import PENALTIES
from s3nn.training.restraint import restraint_of

SHAPE = (1, 8, 8)


def omega(network: nn.Module, penalty: Penalty, x: Tensor) -> Tensor:
    watch = Watch(network, [penalty])
    with watch.attached():
        network(x)
    return watch.taken(penalty)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", PENALTIES.names())
def test_every_penalty_comes_down(name: str, steps: int) -> None:
    """And takes spikes with it; hoyer does not promise that: it drives potentials to 0 or theta."""
    torch.manual_seed(0)
    parts = Parts(neuron="fire" if steps == 1 else "lif")
    network, x = unroll(Mlp(SHAPE, 10, parts, width=0.1), steps), torch.randn(8, *SHAPE)
    penalty, spikes = PENALTIES.build(name), L1()
    watch = Watch(network, [penalty, spikes])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    seen = []
    with watch.attached():
        for _ in range(8):
            watch.begin()
            network(x)
            value = watch.taken(penalty)
            seen.append((value.item(), watch.taken(spikes).item()))
            optimizer.zero_grad()
            (value / seen[0][0]).backward()
            optimizer.step()
    assert seen[-1][0] < 0.95 * seen[0][0]
    assert name == "hoyer" or seen[-1][1] < 0.95 * seen[0][1]


def test_hoyer_is_the_ratio_of_clipped_potentials() -> None:
    torch.manual_seed(0)
    u = torch.randn(3, 7) * 2
    z = (u / 0.5).clamp(0, 1)
    expected = (z.abs().sum(1) ** 2 / (z**2).sum(1)).sum()
    network = nn.Sequential(Fire(threshold=0.5))
    torch.testing.assert_close(omega(network, Hoyer(), u).float(), expected)
    assert omega(network, Hoyer(), -torch.ones(2, 4)).item() == 0


def test_hoyer_sees_the_potential_of_every_step() -> None:
    torch.manual_seed(0)
    current = torch.randn(2, 1, 5) + 0.4
    lif, v, expected = Lif(tau=2.0, threshold=0.8), torch.zeros(1, 5), 0.0
    for step in current:
        u = 0.5 * v + step
        z = (u / 0.8).clamp(0, 1)
        expected += float(z.sum() ** 2 / z.square().sum())
        v = u * (u <= 0.8)
    found = omega(nn.Sequential(Scan(lif, 2)), Hoyer(), current.flatten(0, 1))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_l1_is_blind_to_the_fan_out() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6)
    fired = int((x > 1).sum())
    for wide in (2, 9):
        network = nn.Sequential(Fire(), nn.Linear(6, wide))
        assert omega(network, L1(), x).item() == fired
        assert omega(network, Synaptic(), x).item() == fired * wide
    assert omega(nn.Sequential(Fire()), L1(p=2), x).item() == fired / 2


def test_bursts_cost_their_square() -> None:
    """The authors' mean((sum over steps of s)^2), times the samples."""
    torch.manual_seed(0)
    current = torch.randn(5, 4, 7) * 2
    lif = Lif(tau=2.0)
    expected = 4 * lif.run(current).sum(0).square().mean()
    found = omega(nn.Sequential(Scan(lif, 5)), Bursts(), current.flatten(0, 1))
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert found.item() > 4


def test_what_a_penalty_cannot_do() -> None:
    for name in ("bursts", "hoyer"):
        with pytest.raises(UsageError, match=f"unknown option of penalty {name} 'p'"):
            PENALTIES.build(f"{name}(p=2)")
    for power in (0.5, inf, nan):
        with pytest.raises(UsageError, match=r"synaptic needs a finite power p of 1 or more, got"):
            Synaptic(p=power)

    class Bare(Fire):
        threshold = None  # type: ignore[assignment]

        def __init__(self) -> None:
            nn.Module.__init__(self)

        def forward(self, current: Tensor) -> Tensor:
            return (current > 1).float()

    with pytest.raises(UnsupportedError, match="neurons without a threshold"):
        omega(nn.Sequential(Bare()), Hoyer(), torch.randn(2, 3))


def test_bursts_are_not_seen_in_windows() -> None:
    run = Run(
        model=Model(name="mlp", neuron="lif", steps=4),
        penalty=PenaltySection(name="bursts", strength=1e-4),
        fit=Fit(window=2),
    )
    network = unroll(Mlp((1, 8, 8), 10, Parts("lif"), width=0.1), 4)
    with pytest.raises(UnsupportedError, match="bursts penalty, which reads all time steps"):
        restraint_of(run, network, (1, 8, 8))


def test_a_layer_called_by_keyword_is_watched() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fire, self.read = Fire(), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.read(input=self.fire(x))

    x = torch.tensor([[2.0, 0.0, 2.0, 0.0]])
    assert omega(Net(), Synaptic(), x).item() == 2 * 3


def test_a_penalty_of_an_older_run_json_keeps_its_power() -> None:
    """There the power was a setting of its own, beside any penalty and none."""
    run = Run(penalty=PenaltySection("synaptic(p=2)", strength=1e-6))
    tree = run.to_json()
    older = tree | {"penalty": tree["penalty"] | {"name": "synaptic", "p": 2}}
    assert Run.from_json(older) == run
    plain = Run().to_json()
    assert Run.from_json(plain | {"penalty": plain["penalty"] | {"p": 1.0}}) == Run()
    fixed = Run(penalty=PenaltySection("hoyer", strength=1e-6))
    tree = fixed.to_json()
    assert Run.from_json(tree | {"penalty": tree["penalty"] | {"p": 1.0}}) == fixed
