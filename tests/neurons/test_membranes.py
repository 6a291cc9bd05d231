"""Neurons that integrate, against loops over scalars, and leaks that are learned."""

from __future__ import annotations

from math import exp, inf

import pytest
import torch
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.neurons import Cuba, Iaf, Integrator, Lif


def cuba_by_hand(x: list[float], tau_s: float, tau_m: float, reset: str) -> list[float]:
    current = v = 0.0
    spikes = []
    for given in x:
        current = current - current / tau_s + given
        u = v - v / tau_m + current
        s = u > 1
        spikes.append(float(s))
        v = {"hard": 0.0 if s else u, "soft": u - s, "none": u}[reset]
    return spikes


@pytest.mark.parametrize("reset", ["hard", "soft", "none"])
@pytest.mark.parametrize(("tau_s", "tau_m"), [(2.0, 5.0), (1.0, 2.0), (4.0, inf)])
def test_cuba_is_a_loop_over_scalars(tau_s: float, tau_m: float, reset: str) -> None:
    x = torch.randn(9, 40, 2, dtype=torch.float64)
    out = Cuba(tau_s, tau_m, reset=reset).double().run(x)  # type: ignore[arg-type]
    columns = [cuba_by_hand(c, tau_s, tau_m, reset) for c in x.flatten(1).T.tolist()]
    assert out.flatten(1).T.tolist() == columns
    assert 0.02 < out.mean() < 0.98


def test_cuba_of_a_synapse_that_forgets_at_once_is_lif() -> None:
    x = torch.randn(7, 30, 3, dtype=torch.float64) * 2
    assert torch.equal(Cuba(1.0, 3.0).double().run(x), Lif(3.0).double().run(x))


def test_an_integrator_is_cuba_without_spikes() -> None:
    x = torch.randn(9, 40, 2, dtype=torch.float64)
    integrator = Integrator(3.0, 5.0).double()
    cuba = Cuba(3.0, 5.0, reset="none").double()
    assert torch.equal(integrator.run(x), cuba.potentials(x))
    assert torch.equal(integrator.potentials(x), cuba.potentials(x))


def test_an_exponential_decay_is_a_time_constant() -> None:
    decay = exp(-1.7 / 6)
    cuba = Cuba(1 / (1 - decay), 1 / (1 - decay), threshold=100).double()
    impulse = torch.zeros(6, 1, 1, dtype=torch.float64)
    impulse[0] = 1
    expected = [(t + 1) * decay**t for t in range(6)]
    assert_close(cuba.potentials(impulse).flatten().tolist(), expected)


def test_iaf_is_lif_that_does_not_leak() -> None:
    x = torch.randn(8, 30, 2, dtype=torch.float64) * 2
    for reset in ("hard", "soft", "none"):
        iaf, lif = Iaf(0.7, reset).double(), Lif(inf, 0.7, reset).double()
        assert torch.equal(iaf.run(x), lif.run(x))


def test_soft_reset_loses_no_charge() -> None:
    x = torch.rand(50, 20, 3, dtype=torch.float64)  # at most a threshold a step
    charge = x.sum(0) - 1.0 * Iaf().double().run(x).sum(0)
    assert bool((charge >= 0).all())
    assert bool((charge <= 1).all())


def test_a_learned_leak_has_the_gradient_of_the_leak() -> None:
    x = torch.tensor([0.3, 0.4, 0.2], dtype=torch.float64).view(3, 1, 1)
    lif = Lif(tau=4.0, learn_leak=True).double()
    u = lif.potentials(x)
    keep = 1 - 1 / 4
    assert_close(u.flatten().tolist(), [0.3, 0.3 * keep + 0.4, (0.3 * keep + 0.4) * keep + 0.2])
    u[2].sum().backward()
    rate = 1 / 4  # sig(w), so that d keep / dw = -sig(w) (1 - sig(w))
    expected = (2 * 0.3 * keep + 0.4) * -rate * (1 - rate)
    assert_close(lif.leak.rate.grad.item(), expected)


def test_leaks_a_channel() -> None:
    lif = Lif(tau=2.0, learn_leak=True, per_channel=True, channels=3)
    assert lif.leak.rate.shape == (3,)
    with torch.no_grad():
        lif.leak.rate.copy_(torch.tensor([-20.0, 0.0, 20.0]))  # keeps all, half, nothing
    x = torch.full((3, 1, 3, 2, 2), 0.4)
    assert_close(lif.potentials(x)[2, 0, :, 0, 0], torch.tensor([1.2, 0.7, 0.4]))


def test_leaks_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"a membrane needs tau >= 1 step, got 0\.5"):
        Cuba(tau_s=0.5)
    with pytest.raises(UsageError, match="learned from 1 < tau < inf steps, got inf"):
        Lif(tau=inf, learn_leak=True)
    with pytest.raises(UsageError, match="unknown reset 'sof': did you mean 'soft'"):
        Iaf(reset="sof")  # type: ignore[arg-type]
