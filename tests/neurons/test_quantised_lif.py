"""A stored potential takes only its levels; its backward pass is the stacked surrogate."""

from __future__ import annotations

from math import exp, inf, log2

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from s3nn.clock import unroll
from s3nn.energy import PRICE_LISTS, count
from s3nn.errors import UsageError
from s3nn.models import Cnn7, Parts
from s3nn.neurons import Fire, Lif, QuantisedLif, make_neuron
from s3nn.neurons.quantised_lif import _Nearest

TERNARY, FIVE = (-1, 0, 1), (-3, -2, -1, 0, 1)


def scalar(xs: list[float], levels: tuple[float, ...], tau: float, theta: float) -> list[float]:
    """Spikes of one neuron: the nearest level is the first of the least distance."""
    v, spikes = 0.0, []
    for x in xs:
        u = v - v / tau + x
        s = u > theta
        spikes.append(float(s))
        r = 0.0 if s else min(max(u / theta, levels[0]), 1.0)
        v = theta * min(levels, key=lambda level: (abs(r - level), level))
    return spikes


@pytest.mark.parametrize("levels", [TERNARY, FIVE, (-0.5, 0, 0.25, 1)])
@pytest.mark.parametrize(("tau", "theta"), [(2.0, 1.0), (4.0, 0.5), (inf, 2.0)])
def test_it_is_a_loop_over_scalars(levels: tuple[float, ...], tau: float, theta: float) -> None:
    # Eighths, so that currents meet thresholds and the middles of levels exactly.
    x = (torch.randn(9, 60, 2, dtype=torch.float64) * 12).round() / 8
    out = QuantisedLif(levels, tau, theta).double().run(x)
    columns = [scalar(c, levels, tau, theta) for c in x.flatten(1).T.tolist()]
    assert out.flatten(1).T.tolist() == columns
    plain = Lif(tau, theta).double().run(x)
    assert 0.05 < out.mean() < 0.95
    assert not torch.equal(out, plain), "the levels change what fires"


def distinct_levels() -> st.SearchStrategy[tuple[float, ...]]:
    others = st.sets(st.integers(-40, 10).filter(bool), min_size=1, max_size=6)
    return others.map(lambda tenths: tuple(sorted(t / 10 for t in {0, *tenths})))


@settings(max_examples=60, deadline=None)
@given(
    levels=distinct_levels(),
    theta=st.sampled_from([0.3, 1.0, 2.5]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    seed=st.integers(0, 1000),
)
def test_the_state_that_is_passed_on_takes_only_allowed_levels(
    levels: tuple[float, ...], theta: float, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    neuron = QuantisedLif(levels, threshold=theta).to(dtype)
    allowed = set((neuron.threshold.value() * torch.tensor(levels, dtype=dtype)).tolist())
    state: Tensor | None = None
    for scale in (0.3, 3.0, 1e4):
        current = (torch.randn(40, 3, generator=generator) * scale).to(dtype)
        _, state = neuron.step(current, state)
        assert state.dtype == dtype
        assert set(state.unique().tolist()) <= allowed


def authors_slope(u: float, levels: tuple[int, ...]) -> float:
    """Their sum over the levels that are not 0, written out."""
    total = 0.0
    for level in levels:
        if level != 0:
            middle = level + 0.5 if level < 0 else level - 0.5
            sig = 1 / (1 + exp(-2 * (u - middle)))
            total += 2 * sig * (1 - sig)
    return total


@pytest.mark.parametrize("levels", [TERNARY, FIVE])
def test_the_gradient_is_the_authors(levels: tuple[int, ...]) -> None:
    """Two steps; x = 0.55 does not fire, and 1.4 does: its reset has a gradient too."""
    for first in (0.55, -0.8, 1.4):
        x = torch.tensor([[[first]], [[0.9]]], dtype=torch.float64, requires_grad=True)
        QuantisedLif(levels).double().run(x)[1].sum().backward()

        def triangle(u: float) -> float:
            return max(0.0, 1 - abs(u - 1))

        s = first > 1
        r = 0.0 if s else first
        u2 = 0.9 + 0.5 * min(levels, key=lambda level: (abs(r - level), level))
        through = 0.5 * authors_slope(r, levels) * ((1 - s) - first * triangle(first))
        expected = torch.tensor([triangle(u2) * through, triangle(u2)], dtype=torch.float64)
        assert_close(x.grad.flatten(), expected)


def test_the_stair_of_the_surrogate_rises_from_the_lowest_level_to_the_highest() -> None:
    for levels in (TERNARY, FIVE, (-0.5, 0, 0.25, 1)):
        r = torch.linspace(-30, 30, 60001, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(_Nearest.apply(r, levels).sum(), r)
        rise = torch.trapezoid(slope, r.detach()).item()
        assert rise == pytest.approx(levels[-1] - levels[0], abs=1e-6)


def test_ties_go_to_the_lower_level() -> None:
    u = torch.tensor([[-2.5, -1.5, -0.5, 0.5, -9.0]])
    assert QuantisedLif(FIVE).step(u, None)[1].tolist() == [[-3, -2, -1, 0, -3]]


def test_one_step_is_fire_whatever_the_levels() -> None:
    u = torch.randn(50, 4, 3, 3) * 2
    expected = Fire(0.7)(u)
    for levels in (TERNARY, FIVE):
        assert torch.equal(QuantisedLif(levels, threshold=0.7)(u), expected)


def test_levels_are_written_in_a_spec_and_checked() -> None:
    assert make_neuron("quantised_lif(levels=(-3, -2, -1, 0, 1))", 3).levels == FIVE
    for levels in ((0,), (1, 0), (-1, 1), (-1, 0, 2), (-1, 0, 0, 1)):
        with pytest.raises(UsageError, match=r"the levels of quantised_lif rise, 0 \(rest\)"):
            QuantisedLif(levels)
    with pytest.raises(UsageError, match="takes levels as numbers, got 'abc'"):
        make_neuron("quantised_lif(levels='abc')", 3)
    with pytest.raises(UsageError, match=r"quantised_lif needs tau >= 1 step, got 0\.5"):
        QuantisedLif(tau=0.5)


def test_its_potentials_are_priced_by_their_bits() -> None:
    layers = {}
    for neuron in ("lif", "quantised_lif"):
        model = unroll(Cnn7((1, 8, 8), 10, Parts(neuron), 0.25), 3)
        layers[neuron] = count(model, [torch.randn(2, 1, 8, 8)]).layers
    wide, narrow = (next(x for x in layers[neuron] if x.operation == "neuron") for neuron in layers)
    assert (wide.potential_bits, narrow.potential_bits) == (32, log2(3))
    prices = PRICE_LISTS["int8_memory_45nm"]
    apart = prices.layer(wide, 2).memory_pj - prices.layer(narrow, 2).memory_pj
    spikes = (wide.spikes_out - narrow.spikes_out) / 2 * (13.2 + 1.09e-5 * wide.neurons)
    # Three steps of one read and one write each, of RAMs of n words.
    saved = 2 * 3 * wide.neurons * 1.09e-5 * wide.neurons * (32 - log2(3))
    assert apart - spikes == pytest.approx(saved, rel=1e-6)
