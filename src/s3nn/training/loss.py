"""What a training step minimises."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax


def distillation(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``t^2 KL(softmax(teacher / t) || softmax(logits / t))``, mean over the batch.

    Both (N, classes); t^2 keeps the gradient's size at every temperature.
    Source: Hinton, Vinyals, Dean, arXiv 1503.02531.
    """
    return temperature**2 * kl_div(
        log_softmax(logits / temperature, 1),
        log_softmax(teacher / temperature, 1),
        reduction="batchmean",
        log_target=True,
    )


# Where TET draws every step's outputs to: the threshold of its neurons.
DRAWN_TO = 1.0


def tet(outputs: Tensor, labels: Tensor, share: float, smoothing: float = 0.0) -> Tensor:
    """``(1 - share) mean_t CE(y[t], labels) + share mean_t MSE(y[t], 1)``.

    ``outputs`` y are (T, N, K), ``labels`` (N,).  Every step learns to answer by itself; the second
    term keeps outputs from growing apart.
    Source: Deng, Li, Zhang, Gu, "Temporal efficient training of spiking neural network via gradient
    re-weighting", ICLR 2022, arXiv 2202.11946.
    """
    steps = outputs.flatten(0, 1)
    entropy = cross_entropy(steps, labels.repeat(len(outputs)), label_smoothing=smoothing)
    return (1 - share) * entropy + share * (steps - DRAWN_TO).square().mean()
