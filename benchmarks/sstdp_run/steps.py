"""A trained network of spike times run the long way, and its ties."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3nn.clock import Race, Scan, TimedLayer, make_readout, unroll
from s3nn.data.batches import Batches, normalise
from s3nn.experiment.trained import Trained
from s3nn.models import Parts
from s3nn.neurons import make_neuron
from s3nn.registry import ENCODERS, MODELS
from s3nn.synapses import SynapticConv2d, SynapticLinear


def in_steps(trained: Trained) -> nn.Module:
    """The trained network of spike times as the same neurons on rasters, unrolled over T steps."""
    model, classes = trained.run.model, len(trained.classes)
    plain = MODELS.build(
        model.name,
        input_shape=trained.shape,
        classes=classes,
        parts=Parts(model.neuron, model.synapse),
        width=model.width,
    )
    encoder = ENCODERS.build(model.encoder, steps=model.steps, mean=trained.mean, std=trained.std)
    assert model.output is not None
    net = unroll(
        plain,
        model.steps,
        encoder,
        make_readout(model.readout, model.steps),
        make_neuron(model.output, classes),
    )
    weights = [m for m in net.modules() if isinstance(m, (SynapticConv2d, SynapticLinear))]
    layers = [m for m in trained.network.modules() if isinstance(m, TimedLayer)]
    with torch.no_grad():
        for mine, layer in zip(weights, layers, strict=True):
            mine.weight.copy_(layer.weights.weight)
    return net.eval()


def spikes_in_steps(trained: Trained, images: Tensor) -> tuple[int, float]:
    """The most spikes of a neuron for an image, and the share of spike times that differ."""
    x = normalise(images, trained.mean, trained.std)
    net = in_steps(trained)
    kinds: tuple[type[nn.Module], type[nn.Module]] = (Scan, TimedLayer)
    rasters, times = (
        _outputs(network, kind, x)
        for network, kind in zip((net, trained.network), kinds, strict=True)
    )
    most, apart, all_of_them = 0, 0, 0
    for raster, t in zip(rasters, times, strict=True):
        spikes = raster.unflatten(0, (trained.run.model.steps, -1))
        most = max(most, int(spikes.sum(0).max()))
        first = spikes.argmax(0).to(t).masked_fill(spikes.sum(0) == 0, torch.inf)
        apart, all_of_them = apart + int((first != t).sum()), all_of_them + t.numel()
    return most, apart / all_of_them


def _outputs(network: nn.Module, kind: type[nn.Module], x: Tensor) -> list[Tensor]:
    found: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: found.append(out))
        for module in network.modules()
        if isinstance(module, kind)
    ]
    with torch.inference_mode():
        network(x)
    for hook in hooks:
        hook.remove()
    return found


def ties(trained: Trained, batches: Batches) -> tuple[float, float]:
    """Shares of the images whose first spike is not one output's alone, and that have none."""
    network = trained.network
    assert isinstance(network, Race)
    tied = silent = images = 0
    with torch.inference_mode():
        for x, _ in batches:
            times = network.times(x)
            first = times.amin(1, keepdim=True)
            none = first.squeeze(1).isinf()
            tied += int((((times == first).sum(1) > 1) & ~none).sum())
            silent += int(none.sum())
            images += len(x)
    return tied / images, silent / images
