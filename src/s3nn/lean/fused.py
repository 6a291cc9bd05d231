"""Batch-norm, max-pool and fire as one operation that keeps only the batch-norm's input."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from s3nn.lean import gradient
from s3nn.neurons.fire import Fire
from s3nn.surrogates import Surrogate, fired

_aten = torch.ops.aten


class _NormFire(torch.autograd.Function):
    """s = 1[u > theta], u = max-pool(batch-norm(x)): backward computes u again from x.

    Kept for backward are x and a mean and a deviation a channel; with a pool the pooled u and where
    each maximum was, in place of the whole normalised map.  The plain path keeps u and s besides.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        theta: Tensor,
        norm: nn.modules.batchnorm._BatchNorm,
        pool: nn.MaxPool2d | None,
        surrogate: Surrogate,
        compiled: bool,
    ) -> Tensor:
        assert norm.momentum is not None
        running = norm.running_mean, norm.running_var
        u, mean, invstd = torch.native_batch_norm(
            x, weight, bias, *running, True, norm.momentum, norm.eps
        )
        theta = theta.to(u.dtype)
        ctx.norm, ctx.pool, ctx.surrogate, ctx.compiled = norm, pool, surrogate, compiled
        kept: tuple[Tensor, ...] = ()
        if pool is not None:
            u, where = max_pool2d(u, *_geometry(pool), return_indices=True)
            kept = (u, where.int())
            spikes = fired(u, theta)
        else:
            spikes = u.gt_(theta)
        ctx.save_for_backward(x, weight, bias, theta, mean, invstd, *kept)
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weight, bias, theta, mean, invstd, *kept = ctx.saved_tensors
        eps = ctx.norm.eps
        if kept:
            grad = _through_kept(grad, kept[0], theta, ctx.surrogate, ctx.compiled)
        elif ctx.compiled:
            scale = (invstd * weight).view(-1, *[1] * (x.ndim - 2))
            shift = bias.view_as(scale) - mean.view_as(scale) * scale
            grad = gradient.compiled_scaled()(grad, x, scale, shift, theta, ctx.surrogate)
        else:
            normalise = partial(_normalise, stored=(weight, bias, mean, invstd.pow(-2) - eps, eps))
            grad = gradient.in_pieces(grad, x, normalise, theta, ctx.surrogate)
        grad_theta = -grad.sum_to_size(theta.shape) if ctx.needs_input_grad[3] else None
        if ctx.pool is not None:
            grad = _aten.max_pool2d_with_indices_backward(
                grad, x, *_geometry(ctx.pool), kept[1].long()
            )
        grad_x, grad_weight, grad_bias = _aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, invstd, True, eps, list(ctx.needs_input_grad[:3])
        )
        return grad_x, grad_weight, grad_bias, grad_theta, None, None, None, None


def _normalise(x: Tensor, stored: tuple[Any, ...]) -> Tensor:
    weight, bias, mean, var, eps = stored
    return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0]


def _through_kept(
    grad: Tensor, u: Tensor, theta: Tensor, surrogate: Surrogate, compiled: bool
) -> Tensor:
    if compiled:
        return gradient.compiled_given()(grad, u, theta, surrogate)
    return gradient.in_pieces(grad, u, lambda u: u, theta, surrogate)


def _geometry(pool: nn.MaxPool2d) -> tuple[Any, ...]:
    return pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode


def norm_fire(
    x: Tensor,
    norm: nn.modules.batchnorm._BatchNorm,
    pool: nn.MaxPool2d | None,
    neuron: Fire,
    *,
    compiled: bool = False,
) -> Tensor:
    """The spikes of ``neuron(pool(norm(x)))`` in training mode, with what backward keeps halved.

    x is (N, C, ...).  The spikes and the running statistics are those of the three modules bit for
    bit; gradients differ from theirs by the rounding of one batch-norm computed twice.
    """
    if x.numel() == x.shape[1]:  # as torch has it
        raise ValueError(f"Expected more than 1 value per channel when training, got {x.shape}")
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    result: Tensor = _NormFire.apply(
        *(x, norm.weight, norm.bias, neuron.threshold(x)),
        *(norm, pool, neuron.surrogate, compiled),
    )
    return result


def can_fuse(norm: Any, pool: Any, neuron: Any) -> bool:
    """Whether ``norm_fire`` computes what these modules do."""
    return (
        type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d)
        and norm.affine is True
        and norm.track_running_stats is True
        and norm.momentum is not None
        and (pool is None or type(pool) is nn.MaxPool2d)
        and type(neuron) is Fire
    )
