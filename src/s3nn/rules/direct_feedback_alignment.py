"""Direct feedback alignment."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from s3nn.errors import unknown_name
from s3nn.rules._local import LocalRule

__all__ = ["DirectFeedbackAlignment"]

Error = Literal["gradient", "softmax", "sign"]


class DirectFeedbackAlignment(LocalRule):
    """The error of the outputs goes to each hidden layer directly: dL/dh_l is replaced by e B_l.

    h_l are the layer's outputs at every step and e[t] (N, K) the error of step t.  B_l is fixed and
    uniform, of a bound sqrt(6 / outputs of the layer).  The output layer has its true gradient.

    Source: Nokland, "Direct feedback alignment provides learning in deep neural networks", NeurIPS
    2016; softmax and sign are the DFA and sDFA of Frenkel, Lefebvre, Bol, Front. Neurosci. 15
    (2021) 629892, on whose code that of reward propagation (``brp``) is built.

    Parameters
    ----------
    error: gradient, the true dL/dy[t] of the outputs, whatever the loss is; softmax,
        (softmax(answer) - onehot(y)) / N at every step; sign, that error's sign, over N.
    """

    def __init__(self, error: Error = "gradient") -> None:
        super().__init__()
        if error not in get_args(Error):
            raise unknown_name("error of direct_feedback_alignment", str(error), get_args(Error))
        self.kind = error

    def error(self, loss: Tensor, outputs: Tensor, answer: Tensor, reward: Tensor) -> Tensor:
        if self.kind == "gradient":
            (found,) = torch.autograd.grad(loss, outputs, retain_graph=True)
            return found
        wrong = answer.detach().softmax(1) - reward
        told = (wrong if self.kind == "softmax" else wrong.sign()) / len(reward)
        return told.expand_as(outputs)

    def gradient(
        self, hidden: Tensor, feedback: Tensor, error: Tensor | None, reward: Tensor
    ) -> Tensor:
        assert error is not None
        return (error.to(feedback) @ feedback).view_as(hidden)
