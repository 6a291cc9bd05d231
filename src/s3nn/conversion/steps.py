"""What a network in time has said by each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.clock import Unroll, binary_layers
from s3nn.graph.ir import Edge
from s3nn.graph.trace import evaluating

# From answers (N, ...), what was shown and what was wanted: a number an image, (N,).
Score = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class BySteps:
    """Scores of every T and t_d, the mean over the images, and the spikes of each step.

    ``scores`` is that of the mean of the outputs of t_d < t <= T, at [t_d, T - 1]: (steps, steps),
    NaN for t_d >= T.  ``spikes`` has a line a layer of neurons, an image's mean at every step:
    (layers, steps).
    """

    scores: Tensor
    layers: tuple[str, ...]
    spikes: Tensor


def right(answers: Tensor, shown: Tensor, labels: Tensor) -> Tensor:
    """The score of classes: 1 where the highest logit is the label's, else 0; (N,)."""
    return (answers.argmax(1) == labels).double()


def run_by_steps(
    network: Unroll, batches: Iterable[tuple[Tensor, Tensor]], score: Score = right
) -> BySteps:
    """Run ``batches`` of images (N, C, H, W) and what is wanted once, and score every step."""
    spiking = binary_layers(network, Edge.SPIKE)
    spikes = torch.zeros(len(spiking), network.steps, dtype=torch.int64)

    def watch(number: int) -> Any:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes[number] += output.reshape(network.steps, -1).count_nonzero(1).cpu()

        return hook

    hooks = [layer.register_forward_hook(watch(i)) for i, (_, layer) in enumerate(spiking)]
    total, images = torch.zeros(network.steps, network.steps, dtype=torch.float64), 0
    try:
        with evaluating(network), torch.inference_mode():
            for shown, wanted in batches:
                outputs = network.each_step(shown)
                total += len(shown) * scores_by_steps(outputs, shown, wanted, score).cpu()
                images += len(shown)
    finally:
        for hook in hooks:
            hook.remove()
    names = tuple(name for name, _ in spiking)
    return BySteps(total / images, names, spikes / images)


def scores_by_steps(outputs: Tensor, shown: Tensor, wanted: Tensor, score: Score = right) -> Tensor:
    """The scores of one batch at every [t_d, T - 1], from the outputs of every step (T, N, ...).

    >>> y = torch.tensor([[[9.0, 0.0]], [[0.0, 1.0]], [[0.0, 2.0]]])
    >>> scores_by_steps(y, torch.zeros(1), torch.tensor([1]))[1]
    tensor([nan, 1., 1.], dtype=torch.float64)
    """
    steps = len(outputs)
    nothing = torch.zeros_like(outputs[:1], dtype=torch.float64)
    sums = torch.cat([nothing, outputs.double().cumsum(0)])
    found = torch.full((steps, steps), torch.nan, dtype=torch.float64, device=outputs.device)
    for after in range(steps):
        for until in range(after + 1, steps + 1):
            answers = (sums[until] - sums[after]) / (until - after)
            found[after, until - 1] = score(answers, shown, wanted).double().mean()
    return found


def best_delay(scores: Tensor, until: int) -> int:
    """The t_d of the highest score at T = ``until``, the shortest of several.

    ``scores`` are those of ``run_by_steps``, on validation images.

    >>> nan = torch.nan
    >>> best_delay(torch.tensor([[0.5, 0.7, 0.8], [nan, 0.6, 0.9], [nan, nan, 0.9]]), until=3)
    1
    """
    return int(scores[:until, until - 1].argmax())


def settled(values: Sequence[float], least: float) -> int | None:
    """The first step (from 1) from which on no value is below ``least``; None: never.

    >>> settled([0.2, 0.9, 0.7, 0.8, 0.9], 0.8), settled([0.9, 0.1], 0.8)
    (4, None)
    """
    step = next((t for t in range(len(values), 0, -1) if not values[t - 1] >= least), 0) + 1
    return step if step <= len(values) else None
