"""The surrogate beside SpikingJelly's S2NN: equal at threshold 1, and only there.

SpikingJelly writes the fired branch as beta / (x + 1), x = u - theta, which is beta / u where the
threshold is 1 and nowhere else.  Runs where the extra s3nn[bench] is installed (`make bench`).
"""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from s3nn.surrogates import S3, spike

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")

U = torch.cat([torch.linspace(-4, 6, 2001), torch.randn(2000, generator=torch.manual_seed(0))])


def ours(threshold: float, alpha: float, beta: float) -> Tensor:
    u = U.clone().requires_grad_()
    spike(u, threshold, S3(alpha=alpha, beta=beta)).sum().backward()
    assert u.grad is not None
    return u.grad


def theirs(threshold: float, alpha: float, beta: float) -> Tensor:
    u = U.clone().requires_grad_()
    surrogate.S2NN(alpha=alpha, beta=beta)(u - threshold).sum().backward()
    assert u.grad is not None
    return u.grad


@pytest.mark.parametrize(("alpha", "beta"), [(4.0, 1.0), (5.0, 1.0), (3.0, 0.5)])
def test_equal_at_threshold_one(alpha: float, beta: float) -> None:
    apart = U != 1.0  # at the threshold itself they fire and we do not
    difference = (ours(1.0, alpha, beta) - theirs(1.0, alpha, beta))[apart].abs()
    assert difference.max() < 1e-6


@pytest.mark.parametrize("threshold", [0.5, 2.0])
def test_different_elsewhere_as_beta_over_u_says(threshold: float) -> None:
    a, b = ours(threshold, 4.0, 1.0), theirs(threshold, 4.0, 1.0)
    fired, silent = threshold < U, threshold > U
    torch.testing.assert_close(a[silent], b[silent], rtol=0, atol=1e-6)
    x = U[fired] - threshold
    torch.testing.assert_close(a[fired], b[fired] * (x + 1) / (x + threshold))
    torch.testing.assert_close(a[fired], 1 / U[fired])
    assert (a[fired] - b[fired]).abs().max() > 0.1
