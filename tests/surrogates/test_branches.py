"""s3 is put together of two surrogates that also stand alone."""

from __future__ import annotations

import pytest
import torch

from s3nn.errors import UsageError
from s3nn.surrogates import S3, Sigmoid, TimingOnly, make_surrogate


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_s3_is_the_sum_of_its_branches(threshold: float) -> None:
    u = torch.linspace(-3, 5, 801, dtype=torch.float64)
    fired = u > threshold
    timing = TimingOnly(beta=0.7).derivative(u, threshold)
    assert torch.equal(timing != 0, fired)
    assert torch.allclose(timing[fired], 0.7 / u[fired], rtol=1e-15)
    silent = Sigmoid(alpha=5.0).derivative(u, threshold) * ~fired
    assert torch.allclose(S3(alpha=5.0, beta=0.7).derivative(u, threshold), silent + timing)


def test_slopes_and_widths_that_turn_a_gradient_are_refused() -> None:
    for spec, says in (
        ("sigmoid(alpha=-4)", "sigmoid needs a finite alpha > 0, got -4"),
        ("gaussian(sigma=0)", "a finite sigma > 0, got 0"),
        ("triangle(width=0)", "a finite width > 0"),
        ("superspike(slope=inf)", "a finite slope > 0, got inf"),
        ("straight_through(clip=0)", "straight_through needs clip > 0"),
        ("s3(alpha=inf)", "s3 needs a finite alpha > 0"),
        ("s3(beta=inf)", "s3 needs a finite beta >= 0"),
    ):
        with pytest.raises(UsageError, match=says):
            make_surrogate(spec)
    with pytest.raises(UsageError, match=r"timing_only needs a finite beta > 0, got 0\.0"):
        TimingOnly(beta=0.0)
