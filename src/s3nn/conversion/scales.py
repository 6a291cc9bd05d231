"""How large the activations of a ReLU network's layers are."""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.errors import UsageError
from s3nn.neurons import Relu

BATCH = 100


class _Largest:
    """The largest of the activations of a layer, as many as a percentile may lie among."""

    def __init__(self, percentile: float, images: int) -> None:
        self.percentile, self.images = percentile, images
        self.positive = 0
        self.values = torch.empty(0)

    def add(self, activations: Tensor) -> None:
        values = activations.detach().flatten()
        self.positive += int((values > 0).sum())
        total = values.numel() // len(activations) * self.images
        kept = int(total * (1 - self.percentile / 100)) + 2
        together = torch.cat([self.values.to(values), values])
        self.values = together.topk(min(kept, len(together))).values

    def scale(self) -> float:
        rank = self.positive - ceil(self.positive * self.percentile / 100)
        return float(self.values[rank]) if self.positive else 1.0


def activation_scales(network: nn.Module, images: Tensor, percentile: float) -> dict[str, float]:
    """The percentile of every ReLU layer's positive activations on ``images`` (N, C, H, W).

    That is the least activation which ``percentile`` per cent of the positive ones do not exceed;
    100: the largest.  A layer that is silent on all images gets 1.  Counting positive activations
    only is snntoolbox's way (Rueckauer et al., Frontiers in Neuroscience 11 (2017) 682), read in
    the authors' code; they interpolate between two activations.

    >>> net = nn.Sequential(Relu())
    >>> activation_scales(net, torch.tensor([[-5.0], [1.0], [2.0], [3.0], [4.0]]), 50)
    {'0': 2.0}
    """
    if not 0 < percentile <= 100:
        raise UsageError(f"a percentile is above 0 and at most 100, got {percentile}")
    layers = {
        name: (layer, _Largest(percentile, len(images)))
        for name, layer in network.named_modules()
        if isinstance(layer, Relu)
    }

    def watch(largest: _Largest) -> Any:
        return lambda module, inputs, output: largest.add(output)

    hooks = [layer.register_forward_hook(watch(largest)) for layer, largest in layers.values()]
    try:
        with torch.inference_mode():
            for part in images.split(BATCH):
                network(part)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: largest.scale() for name, (_, largest) in layers.items()}
