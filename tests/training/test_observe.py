"""What is read off trained layers."""

from __future__ import annotations

import pytest
import torch

from s3nn.clock import unroll
from s3nn.energy import count
from s3nn.experiment.observe import spike_maps, threshold_of
from s3nn.models import Mlp, Parts
from s3nn.neurons import Fire


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("learn", [False, True])
def test_a_threshold_is_read_without_a_warning(learn: bool, per_channel: bool) -> None:
    neuron = Fire(threshold=0.5, learn=learn, per_channel=per_channel, channels=3)
    assert threshold_of(neuron) == pytest.approx(0.5)


def test_more_spikes_than_a_byte_holds_are_counted() -> None:
    network = unroll(Mlp((1, 4, 4), 2, Parts("lif(threshold=0.001)"), width=0.02), 300)
    x = 100 * torch.ones(2, 1, 4, 4)
    ((_, spikes), *_) = spike_maps(network, x)
    fired = next(layer for layer in count(network, [x]).layers if layer.operation == "neuron")
    assert spikes.sum() == fired.spikes_out
    assert spikes.max() > 255
