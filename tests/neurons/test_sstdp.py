"""The neuron that fires once, step by step."""

from __future__ import annotations

import pytest
import torch

from s3nn.errors import UsageError
from s3nn.neurons import make_neuron
from s3nn.neurons.sstdp import Sstdp


def test_it_fires_once_at_most_and_above_the_threshold() -> None:
    current = torch.tensor([[0.5, 2.0, 0.1], [0.5, -9.0, 0.1], [0.5, 99.0, 0.1]]).unsqueeze(1)
    spikes = Sstdp(threshold=1.0).run(current).squeeze(1)
    assert spikes.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]], "1 is not above 1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("a=0, b=0", "a, b >= 0 and one of them > 0, got 0, 0"),
        ("tau=0", "tau > 0 steps, or none, got 0"),
        ("start=0", "start > 0"),
        ("redraw=1", "0 <= redraw < 1, a share of the samples, got 1"),
        ("threshold=0", "a threshold must be > 0"),
    ],
)
def test_what_cannot_be_is_refused(options: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_neuron(f"sstdp({options})", 4)
