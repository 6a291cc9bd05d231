"""A surrogate gradient and the spike that uses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


class Surrogate(ABC):
    """What stands in for the derivative of a spike.

    A spike ``s = 1[u > threshold]`` has no useful derivative.  A surrogate names a smooth step (its
    ``primitive``) and the derivative of that step, which the backward pass multiplies by.  Concrete
    surrogates are frozen dataclasses: one file, one equation, one source.

    ``u`` is the membrane potential, any shape; ``threshold`` is a tensor that broadcasts to it, or
    a number.  Both methods return a tensor of ``u``'s shape and dtype.
    """

    @abstractmethod
    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        """The smooth step whose derivative in ``u`` is ``derivative`` (for tests and plots)."""

    @abstractmethod
    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        """ds/du as the backward pass sees it."""


class _Spike(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, threshold: Tensor, surrogate: Surrogate) -> Tensor:
        return (u > threshold).to(u.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Surrogate], output: Tensor) -> None:
        u, threshold, ctx.surrogate = inputs
        ctx.save_for_backward(u, threshold)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        u, threshold = ctx.saved_tensors
        grad_u = grad * ctx.surrogate.derivative(u, threshold).to(grad.dtype)
        grad_threshold = None
        if ctx.needs_input_grad[1]:
            grad_threshold = (-grad_u).sum_to_size(threshold.shape).to(threshold.dtype)
        return grad_u if ctx.needs_input_grad[0] else None, grad_threshold, None


def spike(u: Tensor, threshold: Tensor | float, surrogate: Surrogate) -> Tensor:
    """Fire where the membrane potential exceeds the threshold: ``s = 1[u > threshold]``.

    Forward is exact (strict ``>``, values 0 and 1 in ``u``'s dtype).  Backward multiplies by
    ``surrogate.derivative(u, threshold)``; the gradient of the threshold is its negative, summed
    over the axes that the threshold was broadcast over.

    >>> from s3nn.surrogates import S3
    >>> u = torch.tensor([0.5, 1.0, 2.0], requires_grad=True)
    >>> s = spike(u, 1.0, S3(alpha=4.0, beta=1.0))
    >>> s.tolist()
    [0.0, 0.0, 1.0]
    >>> s.sum().backward()
    >>> [round(g, 4) for g in u.grad.tolist()]
    [0.42, 1.0, 0.5]
    """
    if not isinstance(threshold, Tensor):
        threshold = torch.tensor(threshold, dtype=u.dtype, device=u.device)
    result: Tensor = _Spike.apply(u, threshold, surrogate)
    return result
