"""What is taken through time is all that a model computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from s3nn.clock import unroll
from s3nn.conversion import convert
from s3nn.errors import UnsupportedError
from s3nn.neurons import make_neuron


class Own(nn.Module):
    """A model of a user's own, with the three stages and ``how`` it puts them together."""

    def __init__(self, neuron: str, how: Callable[[Own, Tensor], Tensor]) -> None:
        super().__init__()
        self.encode, self.readout = (
            nn.Conv2d(1, 4, 3),
            nn.Sequential(nn.Flatten(), nn.Linear(144, 3)),
        )
        self.features, self.how = nn.Sequential(make_neuron(neuron, 4)), how

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x)


def plainly(model: Own, x: Tensor) -> Tensor:
    answer: Tensor = model.readout(model.features(model.encode(x)))
    return answer


def pooled(model: Own, x: Tensor) -> Tensor:
    answer: Tensor = model.readout(functional.avg_pool2d(model.features(model.encode(x)), 3, 1, 1))
    return answer


def twice(model: Own, x: Tensor) -> Tensor:
    return plainly(model, x) + plainly(model, x)


def by_value(model: Own, x: Tensor) -> Tensor:
    return plainly(model, x if x.sum() > 0 else -x)


def test_a_model_of_ones_own_is_unrolled() -> None:
    assert unroll(Own("lif", plainly), 3)(torch.rand(2, 1, 8, 8)).shape == (2, 3)
    assert convert(Own("relu", plainly), torch.rand(9, 1, 8, 8), steps=4).steps == 4


@pytest.mark.parametrize("how", [pooled, twice, by_value])
def test_what_would_be_left_out_is_refused(how: Callable[[Own, Tensor], Tensor]) -> None:
    message = r"unrolling a model whose forward is not readout\(features\(encode\(x\)\)\).* \(Own\)"
    with pytest.raises(UnsupportedError, match=message):
        unroll(Own("lif", how), 3)
    with pytest.raises(UnsupportedError):
        convert(Own("relu", how), torch.rand(9, 1, 8, 8), steps=4)
