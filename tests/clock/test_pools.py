"""Max-pools of charges against a loop over pixels."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from s3nn.clock import Windows, unroll
from s3nn.clock.pools import ChargePool
from s3nn.errors import UnsupportedError
from s3nn.models import Cnn7, Parts, Vgg11


def test_charges_are_compared_step_by_step() -> None:
    steps, x = 5, torch.randn(5, 2, 3, 4, 6, dtype=torch.float64)
    found = ChargePool(nn.MaxPool2d(2), steps)(x.flatten(0, 1)).unflatten(0, (steps, 2))
    for n in range(2):
        for c in range(3):
            for i in range(2):
                for j in range(3):
                    window, before = [0.0] * 4, 0.0
                    for t in range(steps):
                        pixels = x[t, n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten()
                        window = [q + p for q, p in zip(window, pixels.tolist(), strict=True)]
                        gained = found[t, n, c, i, j].item()
                        assert gained == pytest.approx(max(window) - before, abs=1e-12)
                        before = max(window)


def test_a_constant_current_is_pooled_as_it_is() -> None:
    x, pool = torch.randn(2, 3, 7, 7, dtype=torch.float64), nn.MaxPool2d(3, stride=2, padding=1)
    found = ChargePool(pool, 4)(torch.cat([x] * 4))
    assert_close(found, torch.cat([pool(x)] * 4))


def pools(neuron: str, model: type[Cnn7 | Vgg11]) -> list[str]:
    net = unroll(model((1, 16, 16), 10, Parts(neuron=neuron), 0.05), 3)
    assert net(torch.rand(2, 1, 16, 16)).shape == (2, 10)
    return [type(m).__name__ for m in net.modules() if isinstance(m, (ChargePool, nn.MaxPool2d))]


def test_who_pools_charges() -> None:
    assert pools("iaf", Cnn7) == ["MaxPool2d"] * 3
    assert pools("iaf(pool=charge)", Cnn7) == ["ChargePool", "MaxPool2d"] * 3
    first, *others = pools("iaf(pool=charge)", Vgg11)
    assert first == "MaxPool2d", "the first pool runs once, in front of time"
    assert others == ["ChargePool", "MaxPool2d"] * 4


def test_windows_do_not_cut_charges() -> None:
    net = unroll(Cnn7((1, 8, 8), 10, Parts(neuron="iaf(pool=charge)"), 0.05), 3)
    net.windows = Windows(1)  # type: ignore[assignment]
    with pytest.raises(UnsupportedError, match=r"drop --fit\.window"):
        net.train()(torch.rand(2, 1, 8, 8))
