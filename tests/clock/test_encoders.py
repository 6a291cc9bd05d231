"""Encoders against what their equations say, pixel by pixel."""

from __future__ import annotations

from math import floor, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from s3nn.clock.encoders import Direct, Frames, Latency, Rate, Rows
from s3nn.errors import UsageError

MEAN, STD = (0.4, 0.5), (0.2, 0.3)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(STD).view(-1, 1, 1)


@given(st.floats(0, 1), st.integers(1, 20))
def test_linear_latency(x: float, steps: int) -> None:
    spikes = Latency(steps)(torch.tensor(x, dtype=torch.float64).view(1, 1, 1, 1)).flatten()
    exact = (1 - x) * (steps - 1)
    times = spikes.nonzero().flatten().tolist()
    if float(torch.tensor(x).float()) == 0:
        assert times == []
    else:
        assert len(times) == 1
        assert abs(times[0] - exact) <= 0.5 + 1e-5


@given(st.floats(0, 1), st.integers(1, 20), st.floats(0.5, 8))
def test_logarithmic_latency(x: float, steps: int, tau: float) -> None:
    spikes = Latency(steps, least=0.2, tau=tau)(torch.tensor(x).view(1, 1, 1, 1)).flatten()
    times = spikes.nonzero().flatten().tolist()
    if x <= 0.2 + 1e-6:
        assert times == [] or x > 0.2
        return
    exact = tau * log(x / (x - 0.2))
    if abs(exact - round(exact)) > 1e-3:  # float32 may floor a whole number to either side
        assert times == ([floor(exact)] if floor(exact) < steps else [])


def test_latency_of_a_smaller_image() -> None:
    x = torch.rand(3, 1, 4, 4).double()
    small = x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    encoder = Latency(5, least=0.2, tau=2, side=2)
    assert encoder.shape((1, 4, 4)) == (1, 2, 2)
    assert torch.equal(encoder(x), Latency(5, least=0.2, tau=2)(small))
    with pytest.raises(UsageError, match="side of 1 pixel or more, got 0"):
        Latency(5, side=0)


def test_rate_is_the_intensity_and_each_step_draws_anew() -> None:
    torch.manual_seed(0)
    pixels = torch.linspace(0, 1, 5).view(1, 1, 1, 5).expand(400, 2, 1, 5)
    encoder = Rate(50, MEAN, STD).train()
    spikes = encoder(normalised(pixels)).unflatten(0, (50, 400))
    rates = spikes.mean((0, 1, 2, 3))
    assert (rates - pixels[0, 0, 0]).abs().max() < 0.01  # 40,000 draws a pixel: 4 deviations
    assert rates[0] == 0
    assert (spikes[0] != spikes[1]).any()
    assert (spikes[:, 0] != spikes[:, 1]).any(), "in training, images have draws of their own"


def test_rate_draws_follow_the_seed() -> None:
    x = torch.rand(3, 1, 4, 4)
    encoder = Rate(2).train()
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(encoder(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_normalisation_is_undone() -> None:
    pixels = torch.rand(3, 2, 4, 4)
    seen = Latency(9, mean=MEAN, std=STD)(normalised(pixels))
    assert torch.equal(seen, Latency(9)(pixels))


def test_rows_and_frames_show_every_pixel_once() -> None:
    x = torch.arange(2 * 6 * 6 * 5.0).view(2, 6, 6, 5)
    rows = Rows(3)(x).unflatten(0, (3, 2))
    assert torch.equal(torch.cat(rows.unbind(0), 2), x)
    frames = Frames(3)(x).unflatten(0, (3, 2))
    assert torch.equal(torch.cat(frames.unbind(0), 1), x)
    assert torch.equal(frames[1, 0], x[0, 2:4])


def test_direct_repeats() -> None:
    x = torch.rand(2, 1, 3, 3)
    assert torch.equal(Direct(3)(x), torch.cat([x, x, x]))


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="8 rows in 3 equal steps, which leaves 2"):
        Rows(3).shape((1, 8, 8))
    with pytest.raises(UsageError, match="4 channels to 3 steps, which leaves 1"):
        Frames(3).shape((4, 8, 8))
    with pytest.raises(UsageError, match="1 step or more, got 0"):
        Rate(0)
    with pytest.raises(UsageError, match="0 <= least < 1, an intensity, got 1"):
        Latency(2, least=1)
    with pytest.raises(UsageError, match="got tau=3, least=0"):
        Latency(2, tau=3)
