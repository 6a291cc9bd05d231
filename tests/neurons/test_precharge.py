"""The pre-charged integrate-and-fire neuron as a quantiser, in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.neurons import ClipFloor, Iaf

# Multiples of 1/64 and thresholds that are powers of 2: sums are exact, and ties are met.
CURRENTS = st.integers(-128, 256).map(lambda n: Fraction(n, 64))
THRESHOLDS = st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(2)])
KAPPAS = st.integers(0, 15).map(lambda n: Fraction(n, 16))


def spikes(x: Fraction, theta: Fraction, kappa: Fraction, steps: int) -> int:
    neuron = Iaf(threshold=float(theta), precharge=float(kappa)).double()
    return int(neuron.run(torch.full((steps, 1, 1), float(x), dtype=torch.float64)).sum())


@settings(deadline=None, max_examples=100)
@given(CURRENTS, THRESHOLDS, KAPPAS, st.integers(1, 40))
def test_spikes_of_a_constant_current(
    x: Fraction, theta: Fraction, kappa: Fraction, steps: int
) -> None:
    """N = floor(T x / theta + kappa) within [0, T]; at a tie one fewer, theta being no spike."""
    charge = steps * x / theta + kappa
    found = spikes(x, theta, kappa, steps)
    assert found == min(max(ceil(charge) - 1, 0), steps)
    if charge != floor(charge):
        assert found == min(max(floor(charge), 0), steps)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 64), st.integers(1, 24))
def test_half_a_threshold_rounds(n: int, steps: int) -> None:
    x = Fraction(n, 64)
    rate = Fraction(spikes(x, Fraction(1), Fraction(1, 2), steps), steps)
    assert abs(rate - x) <= Fraction(1, 2 * steps)
    down = Fraction(spikes(x, Fraction(1), Fraction(0), steps), steps)
    assert 0 <= x - down <= Fraction(1, steps)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 20),
    st.floats(0.1, 8, allow_subnormal=False),
    st.sampled_from([0.0, 0.25, 0.5, 0.9]),
    st.integers(0, 2**31),
)
def test_clip_floor_is_what_the_rates_can_be(
    levels: int, theta: float, kappa: float, seed: int
) -> None:
    """At T = L the rate times theta is the quantised activation, at every current."""
    u = torch.randn(50, 3, generator=torch.Generator().manual_seed(seed)).double() * theta
    activation = ClipFloor(levels, theta, kappa, learn=False).double()(u)
    neuron = Iaf(threshold=theta, precharge=kappa).double()
    rate = neuron.run(u.expand(levels, 50, 3)).mean(0)
    assert_close(rate * neuron.threshold.value(), activation)


def test_a_channel_is_charged_by_its_own_threshold() -> None:
    neuron = Iaf(precharge=0.5, per_channel=True, channels=2)
    neuron.threshold.set_(torch.tensor([1.0, 4.0]))
    assert neuron.potentials(torch.zeros(2, 1, 2))[:, 0].tolist() == [[0.5, 2.0], [0.5, 2.0]]


def test_a_precharge_is_kept_and_an_absent_one_is_not() -> None:
    neuron, other = Iaf(precharge=0.25), Iaf(precharge=0.5)
    assert "precharge" not in Iaf().state_dict()
    other.load_state_dict(neuron.state_dict())
    assert other.precharge is not None
    assert other.precharge.item() == 0.25


@pytest.mark.parametrize("kappa", [-0.1, 1.0, float("nan")])
def test_a_precharge_that_cannot_be(kappa: float) -> None:
    with pytest.raises(UsageError, match="from 0 to below 1, got"):
        Iaf(precharge=kappa)


def test_a_pool_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="iaf's option pool 'charges': did you mean 'charge'"):
        Iaf(pool="charges")  # type: ignore[arg-type]
