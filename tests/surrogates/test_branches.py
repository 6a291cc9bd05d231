"""s3 is put together of two surrogates that also stand alone."""

from __future__ import annotations

import pytest
import torch

from s3nn.errors import UsageError
from s3nn.surrogates import S3, Sigmoid, TimingOnly


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_s3_is_the_sum_of_its_branches(threshold: float) -> None:
    u = torch.linspace(-3, 5, 801, dtype=torch.float64)
    fired = u > threshold
    timing = TimingOnly(beta=0.7).derivative(u, threshold)
    assert torch.equal(timing != 0, fired)
    assert torch.allclose(timing[fired], 0.7 / u[fired], rtol=1e-15)
    silent = Sigmoid(alpha=5.0).derivative(u, threshold) * ~fired
    assert torch.allclose(S3(alpha=5.0, beta=0.7).derivative(u, threshold), silent + timing)


def test_a_timing_branch_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"timing_only needs beta > 0, got 0\.0"):
        TimingOnly(beta=0.0)
