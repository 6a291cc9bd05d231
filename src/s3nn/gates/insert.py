"""Gates in front of the hidden convolutions of a model."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.errors import UnsupportedError, UsageError
from s3nn.gates.base import Gate, Gated
from s3nn.gates.channel import ChannelGate
from s3nn.gates.spatial import BLOCK, SpatialGate
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron
from s3nn.registry import name_of


def gated(model: nn.Module, *, spatial: bool = False, channel: bool = False) -> nn.Module:
    """A copy of ``model`` with gates in front of every convolution of its ``features``.

    These convolutions read spikes; the first layer, which reads the image, has no gate.  Where an
    image is no larger than a block there is no spatial gate: it would drop everything or nothing.
    ``model`` is a ``SpikingModel``, unrolled or not; in time the gates decide at every step.

    >>> from s3nn.models import Cnn7
    >>> type(gated(Cnn7((1, 8, 8), 10), spatial=True).features[1][0]).__name__
    'Gated'
    """
    model = copy.deepcopy(model)
    if not (spatial or channel):
        return model
    features = dict(model.named_children()).get("features")
    shape: Any = getattr(model, "input_shape", None)
    if features is None or shape is None:
        raise UnsupportedError(
            "putting gates into a model without features or an input_shape",
            type(model).__name__,
            "derive it from s3nn.models.SpikingModel",
        )
    for neuron in model.modules():
        if isinstance(neuron, Neuron) and neuron.emits is not Edge.SPIKE:
            raise UsageError(
                f"gates drop spikes and neurons of the type {name_of(neuron)} emit "
                f"{neuron.emits} values: take --model.neuron fire, or drop --gates"
            )
    first = next(model.parameters())
    sizes = _sizes(model, torch.zeros(1, *shape, dtype=first.dtype, device=first.device))
    if not sizes:
        raise UsageError(
            f"gates stand in front of hidden convolutions and {type(model).__name__} has none: "
            "take --model.name cnn7, or drop --gates"
        )
    for name, (channels, *sides) in sizes.items():
        gates: list[Gate] = [SpatialGate(channels)] if spatial and max(sides) > BLOCK else []
        gates += [ChannelGate(channels)] if channel else []
        if gates:
            parent, _, child = name.rpartition(".")
            layer = Gated(features.get_submodule(name), gates).to(first.device, first.dtype)
            setattr(features.get_submodule(parent), child, layer)
    return model


def _sizes(model: nn.Module, image: Tensor) -> dict[str, tuple[int, ...]]:
    """The convolutions of a model's ``features`` by name, and the (C, H, W) that each reads."""
    probe = copy.deepcopy(model).eval()
    found: dict[str, tuple[int, ...]] = {}

    def watch(name: str) -> Any:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[name] = tuple(inputs[0].shape[1:])

        return hook

    for name, module in probe.get_submodule("features").named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(watch(name))
    with torch.no_grad():
        probe(image)
    return found
