"""What is read off trained layers."""

from __future__ import annotations

import pytest

from s3nn.experiment.observe import threshold_of
from s3nn.neurons import Fire


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("learn", [False, True])
def test_a_threshold_is_read_without_a_warning(learn: bool, per_channel: bool) -> None:
    neuron = Fire(threshold=0.5, learn=learn, per_channel=per_channel, channels=3)
    assert threshold_of(neuron) == pytest.approx(0.5)
