"""What a network in time has said by each of its steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.clock import Unroll, binary_layers
from s3nn.graph.ir import Edge
from s3nn.graph.trace import evaluating


@dataclass(frozen=True)
class BySteps:
    """The outputs of every step (T, N, classes), the labels (N,), and the spikes of each step.

    ``spikes`` has a line a layer of neurons, an image's mean at every step: (layers, T).
    """

    outputs: Tensor
    labels: Tensor
    layers: tuple[str, ...]
    spikes: Tensor


def run_by_steps(network: Unroll, batches: Iterable[tuple[Tensor, Tensor]]) -> BySteps:
    """Run ``batches`` of images (N, C, H, W) and labels (N,) once, and keep every step."""
    spiking = binary_layers(network, Edge.SPIKE)
    spikes = torch.zeros(len(spiking), network.steps, dtype=torch.int64)

    def watch(number: int) -> Any:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes[number] += output.reshape(network.steps, -1).count_nonzero(1).cpu()

        return hook

    hooks = [layer.register_forward_hook(watch(i)) for i, (_, layer) in enumerate(spiking)]
    outputs, labels = [], []
    try:
        with evaluating(network), torch.inference_mode():
            for x, y in batches:
                outputs.append(network.each_step(x).float().cpu())
                labels.append(y.cpu())
    finally:
        for hook in hooks:
            hook.remove()
    names = tuple(name for name, _ in spiking)
    every = torch.cat(labels)
    return BySteps(torch.cat(outputs, 1), every, names, spikes / len(every))


def delayed_accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """The accuracy of sum_{t_d < t <= T} y[t], at [t_d, T - 1]: (steps, steps), NaN for t_d >= T.

    >>> y = torch.tensor([[[9.0, 0.0]], [[0.0, 1.0]], [[0.0, 2.0]]])
    >>> delayed_accuracy(y, torch.tensor([1]))[1]
    tensor([nan, 1., 1.], dtype=torch.float64)
    """
    steps = len(outputs)
    nothing = torch.zeros_like(outputs[:1], dtype=torch.float64)
    sums = torch.cat([nothing, outputs.double().cumsum(0)])
    found = torch.full((steps, steps), torch.nan, dtype=torch.float64)
    for after in range(steps):
        scores = sums[after + 1 :] - sums[after]
        found[after, after:] = (scores.argmax(2) == labels).double().mean(1)
    return found


def best_delay(accuracy: Tensor, until: int) -> int:
    """The t_d of the highest accuracy at T = ``until``, the shortest of several.

    ``accuracy`` is that of ``delayed_accuracy``, on validation images.

    >>> nan = torch.nan
    >>> best_delay(torch.tensor([[0.5, 0.7, 0.8], [nan, 0.6, 0.9], [nan, nan, 0.9]]), until=3)
    1
    """
    return int(accuracy[:until, until - 1].argmax())


def settled(values: Sequence[float], least: float) -> int | None:
    """The first step (from 1) from which on no value is below ``least``; None: never.

    >>> settled([0.2, 0.9, 0.7, 0.8, 0.9], 0.8), settled([0.9, 0.1], 0.8)
    (4, None)
    """
    step = next((t for t in range(len(values), 0, -1) if not values[t - 1] >= least), 0) + 1
    return step if step <= len(values) else None
