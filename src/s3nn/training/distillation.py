"""What a student learns of its teacher."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


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
