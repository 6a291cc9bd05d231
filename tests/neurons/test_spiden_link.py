"""Spikes of an integrate-and-fire neuron over T steps are a uniform quantiser of its current."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3nn.neurons import make_neuron


@given(
    steps=st.integers(1, 16),
    theta=st.sampled_from([0.25, 1.0, 3.0]),
    start=st.integers(0, 63),
    currents=st.lists(st.integers(0, 160), min_size=1, max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_constant_currents_are_quantised(
    steps: int, theta: float, start: int, currents: list[int]
) -> None:
    """N = min(T, floor((T x + v0) / theta)) for x >= 0 and 0 <= v0 < theta, off ties.

    Currents and v0 are 64ths of theta plus 1/4096, so that every sum is exact and no tie.
    """
    x = torch.tensor(currents, dtype=torch.float64) / 64 * theta
    v0 = torch.full_like(x, (start + 1 / 64) / 64 * theta)
    neuron = make_neuron(f"iaf(threshold={theta})", channels=len(currents)).double()
    spikes, _ = neuron.advance(x.expand(steps, 1, -1), v0[None])
    expected = np.minimum(steps, np.floor((steps * x + v0).numpy() / theta))
    assert spikes.sum(0)[0].tolist() == expected.tolist()


@pytest.mark.parametrize(("start", "rounds"), [(0.0, np.floor), (0.5, np.rint)])
@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_start_at_half_the_threshold_rounds(steps: int, start: float, rounds: np.ufunc) -> None:
    """theta N / T is x on a grid of theta / T: rounded down, or to the nearest."""
    theta = 0.7
    x = torch.rand(200, dtype=torch.float64) * theta
    neuron = make_neuron(f"iaf(threshold={theta})", channels=200).double()
    v0 = torch.full_like(x, start * theta)
    spikes, _ = neuron.advance(x.expand(steps, 1, -1), v0[None])
    expected = rounds(steps * x.numpy() / theta)
    assert spikes.sum(0)[0].tolist() == expected.tolist()
