"""A network in torch's own layers computes the same, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from s3nn.clock import unroll
from s3nn.energy import count
from s3nn.energy.plain import plain
from s3nn.models import Cnn7, Mlp, Parts, Resnet18
from s3nn.registry import SYNAPSES
from s3nn.synapses import SynapticConv2d, SynapticLinear


@pytest.mark.parametrize("synapse", SYNAPSES.names())
@pytest.mark.parametrize("kind", [Mlp, Cnn7, Resnet18])
def test_the_same_outputs_and_counts(kind: type, synapse: str) -> None:
    network = kind((2, 16, 16), 10, Parts("fire", synapse), width=0.0625).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = plain(network)
    x = 2 * torch.randn(3, 2, 16, 16)
    assert torch.equal(copied(x), network(x))
    assert not any(isinstance(m, (SynapticConv2d, SynapticLinear)) for m in copied.modules())
    assert not any(p.requires_grad for p in copied.parameters())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    mine, theirs = count(network, [x]), count(copied, [x])
    assert (mine.acs, mine.macs, mine.adds) == (theirs.acs, theirs.macs, theirs.adds)


def test_over_time_and_a_layer_of_its_own() -> None:
    network = unroll(Mlp((1, 4, 4), 5, Parts("lif", "binary"), width=0.05), 3).eval()
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(plain(network)(x), network(x))
    layer = Mlp((1, 4, 4), 5, Parts("fire", "binary"), width=0.05).readout
    assert type(plain(layer)) is nn.Linear


def test_a_layer_that_is_called_twice_is_made_twice() -> None:
    layer = SynapticLinear(SYNAPSES.build("integer(bits=4)"), 3, 3)
    found = plain(nn.Sequential(layer, nn.ReLU(), layer))
    assert [type(module) for module in found] == [nn.Linear, nn.ReLU, nn.Linear]
    assert found[0] is found[2]
