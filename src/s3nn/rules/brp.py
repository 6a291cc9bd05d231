"""Reward propagation."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from s3nn.errors import UsageError, unknown_name
from s3nn.rules._local import LocalRule

__all__ = ["Brp"]

Form = Literal["reward", "target"]


class Brp(LocalRule):
    """The reward goes to each hidden layer directly: dL/dh_l is replaced by onehot(y) B_l / N.

    h_l are the layer's outputs at every step, N the samples of the batch, over which the loss is a
    mean too, and B_l is fixed and uniform, of a bound sqrt(6 / outputs of the layer) times
    ``scale``.  What is left is local: that gradient times the surrogate's, through the layer's own
    steps, times the activity in front of the synapse.  The output layer has its true gradient.

    Source: Zhang, Jia, Cheng, Xu, "Tuning convolutional spiking neural network with biologically
    plausible reward propagation", IEEE TNNLS 2021, and the authors' code, which sums over N.

    Parameters
    ----------
    form: reward, as the authors' code; or target, the form that their paper is reported to have,
        (h_l - onehot(y) B_l) / N: then B_l holds the outputs that a class is to have.
    scale: a factor on every B_l.
    """

    def __init__(self, form: Form = "reward", scale: float = 1.0) -> None:
        super().__init__()
        if form not in get_args(Form):
            raise unknown_name("form of brp", str(form), get_args(Form))
        if not scale > 0:
            raise UsageError(f"brp needs scale > 0, a factor on its matrices, got {scale}")
        self.form, self.scale = form, scale

    def gradient(
        self, hidden: Tensor, feedback: Tensor, error: Tensor | None, reward: Tensor
    ) -> Tensor:
        told = (reward.to(feedback) @ (self.scale * feedback)).view_as(hidden[0])
        gradient = told.expand_as(hidden) if self.form == "reward" else hidden - told
        return gradient / len(reward)
