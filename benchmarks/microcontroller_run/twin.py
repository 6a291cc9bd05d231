"""The full-precision twin of a fully connected network, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from s3nn import Trained, UnsupportedError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """``weight x + bias``, with a ReLU behind all layers but the last; weight is (out, in)."""

    weight: Floats
    bias: Floats


def layers(trained: Trained) -> list[Layer]:
    """The linear layers of a ReLU network; the first reads raw pixels, 0 to 255."""
    found: list[Layer] = []
    for module in trained.network.modules():
        match module:
            case nn.Linear():
                weight = _array(module.weight)
                bias = np.zeros(len(weight)) if module.bias is None else _array(module.bias)
                found.append(Layer(weight, bias))
            case nn.BatchNorm1d():
                gain = _array(module.weight) / np.sqrt(_array(module.running_var) + module.eps)
                offset = _array(module.bias) - gain * _array(module.running_mean)
                last = found.pop()
                found.append(Layer(gain[:, None] * last.weight, gain * last.bias + offset))
            case nn.Conv2d():
                raise UnsupportedError(
                    "a rival for convolutions", type(module).__name__, "give a run of digits_mlp"
                )
    pixels = trained.shape[1] * trained.shape[2]
    mean, std = (np.repeat(values, pixels) for values in (trained.mean, trained.std))
    first = found[0]
    raw = Layer(first.weight / (255 * std), first.bias - first.weight @ (mean / std))
    return [raw, *found[1:]]


def check(twin: list[Layer], trained: Trained, images: NDArray[np.uint8]) -> None:
    """That the arrays are the network: they give its probabilities."""
    logits = run(twin, images)
    found = np.exp(logits - logits.max(1, keepdims=True))
    wanted = trained.predict(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found / found.sum(1, keepdims=True), wanted, atol=1e-4)


def run(twin: list[Layer], images: NDArray[np.uint8]) -> Floats:
    x = images.reshape(len(images), -1).astype(np.float64)
    for layer in twin[:-1]:
        x = np.maximum(x @ layer.weight.T + layer.bias, 0)
    logits: Floats = x @ twin[-1].weight.T + twin[-1].bias
    return logits


def _array(tensor: Tensor | None) -> Floats:
    assert tensor is not None, "a batch-norm without statistics or gains"
    found: Floats = tensor.detach().double().numpy()
    return found
