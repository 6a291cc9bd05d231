"""A surrogate gradient and the spike that uses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import inf
from typing import Any, ClassVar

import torch
from torch import Tensor

from s3nn.errors import UsageError
from s3nn.registry import name_of


@dataclass(frozen=True)
class Surrogate(ABC):
    """What stands in for the derivative of a spike.

    A spike ``s = 1[u > threshold]`` has no useful derivative.  A surrogate names a smooth step (its
    ``primitive``) and the derivative of that step, which the backward pass multiplies by.  Concrete
    surrogates are frozen dataclasses: one file, one equation, one source.

    ``u`` is the membrane potential, any shape; ``threshold`` is a tensor that broadcasts to it, or
    a number.  The methods return a tensor of ``u``'s shape and dtype.

    ``by_ratio`` is true of a surrogate of ``u / threshold``, whose threshold is above 0.
    ``slopes`` and ``widths`` name the parameters, all above 0, that grow and shrink as it gets
    steeper.
    """

    by_ratio: ClassVar[bool] = False
    slopes: ClassVar[tuple[str, ...]] = ()
    widths: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in (*self.slopes, *self.widths):
            value, free = getattr(self, name), getattr(type(self), name) == inf
            if not (value > 0 and (free or value < inf)):
                wanted = f"{name} > 0" if free else f"a finite {name} > 0"
                raise UsageError(f"{name_of(self)} needs {wanted}, got {value}")

    @abstractmethod
    def primitive(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        """The smooth step whose derivative in ``u`` is ``derivative`` (for tests and plots)."""

    @abstractmethod
    def derivative(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        """ds/du as the backward pass sees it, or its mean where that is drawn at random."""

    def backward_factor(self, u: Tensor, threshold: Tensor | float) -> Tensor:
        """What one backward pass multiplies by: ``derivative``, unless it is drawn at random.

        A surrogate that draws does so by torch's generator, anew at every call, and the mean of its
        draws is ``derivative``.
        """
        return self.derivative(u, threshold)

    def sharper(self, factor: float) -> Surrogate:
        """This surrogate ``factor`` times as steep: slopes multiplied, widths divided.

        One without either is what it was.

        >>> from s3nn.surrogates import Gaussian
        >>> Gaussian(sigma=0.5).sharper(2.0)
        Gaussian(sigma=0.25)
        """
        changes: dict[str, Any] = {
            **{name: getattr(self, name) * factor for name in self.slopes},
            **{name: getattr(self, name) / factor for name in self.widths},
        }
        return replace(self, **changes)


def fired(u: Tensor, threshold: Tensor | float) -> Tensor:
    """1 where ``u > threshold`` and 0 elsewhere, in ``u``'s dtype and memory layout."""
    # In place on a copy: the comparison then writes numbers, vectorised, and no booleans.
    return u.clone().gt_(threshold)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(u: Tensor, threshold: Tensor, surrogate: Surrogate) -> Tensor:
        return fired(u, threshold)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Surrogate], output: Tensor) -> None:
        u, threshold, ctx.surrogate = inputs
        ctx.save_for_backward(u, threshold)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        u, threshold = ctx.saved_tensors
        grad_u = grad * ctx.surrogate.backward_factor(u, threshold).to(grad.dtype)
        grad_threshold = None
        if ctx.needs_input_grad[1]:
            grad_threshold = (-grad_u).sum_to_size(threshold.shape).to(threshold.dtype)
        return grad_u if ctx.needs_input_grad[0] else None, grad_threshold, None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        u: Tensor,
        threshold: Tensor,
        surrogate: Surrogate,
    ) -> tuple[Tensor, int]:
        ndim = u.ndim - (in_dims[0] is not None)
        u = _batch_first(u, in_dims[0], info.batch_size, ndim)
        if in_dims[1] is not None:
            threshold = _batch_first(threshold, in_dims[1], info.batch_size, ndim)
        result: Tensor = _Spike.apply(u, threshold, surrogate)
        return result, 0


def _batch_first(x: Tensor, dim: int | None, size: int, ndim: int) -> Tensor:
    """``x`` with vmap's axis (absent: repeated) in front of ``ndim`` axes of its own."""
    x = x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)
    return x.reshape(size, *[1] * (ndim + 1 - x.ndim), *x.shape[1:])


def spike(u: Tensor, threshold: Tensor | float, surrogate: Surrogate) -> Tensor:
    """Fire where the membrane potential exceeds the threshold: ``s = 1[u > threshold]``.

    Forward is exact (strict ``>``, values 0 and 1 in ``u``'s dtype).  Backward multiplies by
    ``surrogate.backward_factor(u, threshold)``, which is its derivative; the gradient of the
    threshold is the negative, summed over the axes that the threshold was broadcast over.

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
        if surrogate.by_ratio and not threshold > 0:
            raise UsageError(
                f"{name_of(surrogate)} divides by the threshold, which must be "
                f"> 0, got {threshold}: give it the potential itself, not what is above"
            )
        threshold = torch.tensor(threshold, dtype=u.dtype, device=u.device)
    # Under autocast the potential has fewer bits than the threshold: compare in the potential's.
    threshold = threshold.to(u.dtype)
    result: Tensor = _Spike.apply(u, threshold, surrogate)
    return result
