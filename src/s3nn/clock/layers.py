"""The layers of neurons of a network, unrolled or not."""

from __future__ import annotations

from torch import nn

from s3nn.clock.scan import Scan
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron


def neuron_layers(network: nn.Module) -> list[tuple[str, Neuron | Scan]]:
    """The layers of neurons, by name; those that go through time are found as their ``Scan``."""
    scans = {name for name, module in network.named_modules() if isinstance(module, Scan)}
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, (Neuron, Scan)) and name.rpartition(".")[0] not in scans
    ]


def neuron_of(layer: nn.Module) -> nn.Module:
    """The neurons of a layer: those that a ``Scan`` takes through time, or the layer itself."""
    return layer.neuron if isinstance(layer, Scan) else layer


def binary_layers(network: nn.Module, emits: Edge | None = None) -> list[tuple[str, Neuron | Scan]]:
    """The layers whose outputs take two values, by name; those that declare ``emits``, if given.

    Neurons that go through time are found as the ``Scan`` that takes them there.

    >>> from s3nn.models import Mlp
    >>> [name for name, layer in binary_layers(Mlp((1, 8, 8), 10), Edge.SPIKE)]
    ['features.0', 'features.2']
    """
    return [
        (name, layer)
        for name, layer in neuron_layers(network)
        if layer.emits.binary and emits in (None, layer.emits)
    ]
