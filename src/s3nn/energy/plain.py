"""A network in torch's own layers, for other people's counters."""

from __future__ import annotations

import copy

import torch
from torch import nn

from s3nn.synapses import SynapticConv2d, SynapticLinear


def plain(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode whose convolutions and linear layers are torch's own.

    A layer that sees its weights through a synapse becomes an ``nn.Conv2d`` or ``nn.Linear`` that
    holds the weights as they are used.  Outputs stay the same to the last bit.  Counters of other
    libraries need that: those that ask for the exact type of a layer pass over ours without a word,
    and one that puts ones in the place of the weights would get what an integer or binary synapse
    makes of ones.  No parameter of the copy takes a gradient.

    >>> from s3nn.models import Mlp, Parts
    >>> plain(Mlp((1, 8, 8), 10, Parts("fire", "binary"), width=0.1)).readout
    Linear(in_features=40, out_features=10, bias=True)
    """
    network = copy.deepcopy(model).eval()
    made: dict[nn.Module, nn.Module] = {}
    for parent in [*network.modules()]:
        for name, layer in [*parent._modules.items()]:  # named_children leaves repeats out
            if isinstance(layer, (SynapticConv2d, SynapticLinear)):
                if layer not in made:
                    made[layer] = _plain(layer)
                setattr(parent, name, made[layer])
    if isinstance(network, (SynapticConv2d, SynapticLinear)):
        network = _plain(network)
    return network.requires_grad_(False).eval()


def _plain(layer: SynapticConv2d | SynapticLinear) -> nn.Module:
    bias = layer.bias is not None
    found: nn.Conv2d | nn.Linear
    if isinstance(layer, SynapticConv2d):
        found = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            groups=layer.groups,
            bias=bias,
        )
    else:
        found = nn.Linear(layer.in_features, layer.out_features, bias)
    with torch.no_grad():
        found.weight = nn.Parameter(layer.synapse(layer.weight).detach().clone())
    if layer.bias is not None:
        found.bias = nn.Parameter(layer.bias.detach().clone())
    return found
