"""Batch-norm, max-pool and fire in C: as few passes over the maps as there can be."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from s3nn.lean import gradient
from s3nn.lean.team import run
from s3nn.neurons.fire import Fire
from s3nn.surrogates import S3, Surrogate

KERNELS = "norm_fire"
MOMENTS, FIRE, GRADIENT, SPREAD = range(4)
MOST_PLACES = 2**8  # in a window: which of them was the largest is a byte


class Job(ctypes.Structure):
    """What the kernels are to do, as in the kernels; addresses are of tensors that outlive it."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("what", "channels")),
        ("images", ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ("height", "width", "window_y", "window_x")),
        *((name, ctypes.c_void_p) for name in ("x", "kept", "where", "grad", "out")),
        *((name, ctypes.c_void_p) for name in ("scale", "shift", "theta", "origin")),
        *((name, ctypes.c_void_p) for name in ("slope", "offset", "beta")),
        ("alpha", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("run", "sums")),
    ]


@dataclass(frozen=True)
class Affine:
    """Batch-norm with this batch's statistics: u = scale x + shift, one of each a channel."""

    mean: Tensor
    invstd: Tensor
    scale: Tensor
    shift: Tensor


_Given = Mapping[str, Tensor | float]


def _do(what: int, maps: Tensor, given: _Given, window: tuple[int, int] = (1, 1)) -> None:
    """A job on ``maps`` (N, C, H, W), given what it wants by its fields' names."""
    images, channels, height, width = maps.shape
    fields = {name: t.data_ptr() if isinstance(t, Tensor) else t for name, t in given.items()}
    run(KERNELS, Job(what, channels, images, height, width, *window, **fields))


def _summed(what: int, maps: Tensor, given: _Given) -> tuple[Tensor, Tensor]:
    """Both sums of every channel that a job makes, float64 (C,)."""
    size = torch.get_num_threads(), 2, maps.shape[1]
    sums = torch.zeros(size, dtype=torch.float64)
    _do(what, maps, {"run": torch.zeros(size), "sums": sums, **given})
    first, second = sums.sum(0)
    return first, second


def normalised(x: Tensor, norm: nn.modules.batchnorm._BatchNorm) -> Affine:
    """What ``norm`` makes of the batch ``x``, (N, C, H, W) in channels-last order."""
    origin = x[0, :, 0, 0].contiguous()  # near the mean: its squares lose nothing
    first, second = _summed(MOMENTS, x, {"x": x, "origin": origin})
    count = x.numel() // x.shape[1]
    apart = first / count
    variance = (second / count - apart.square()).clamp(min=0)
    mean = origin + apart
    if norm.running_mean is not None and norm.running_var is not None:
        assert norm.momentum is not None
        unbiased = variance * (count / max(1, count - 1))
        norm.running_mean.lerp_(mean.float(), norm.momentum)
        norm.running_var.lerp_(unbiased.float(), norm.momentum)
    invstd = (variance + norm.eps).rsqrt()
    scale = norm.weight.detach() * invstd
    return Affine(
        mean.float(), invstd.float(), scale.float(), (norm.bias.detach() - mean * scale).float()
    )


class _NormFire(torch.autograd.Function):
    """s = 1[u > theta], u = max-pool(batch-norm(x)).

    Kept for backward are x and, with a pool, the x that each window's largest u was made of and a
    byte that says which it was.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        theta: Tensor,
        norm: nn.modules.batchnorm._BatchNorm,
        window: tuple[int, int] | None,
        surrogate: Surrogate,
    ) -> Tensor:
        of = normalised(x, norm)
        thresholds = _by_channel(theta, x)
        given = {"x": x, "scale": of.scale, "shift": of.shift, "theta": thresholds}
        if window is None:
            kept: dict[str, Tensor] = {}
            spikes = torch.empty_like(x)
            _do(FIRE, x, {"out": spikes, **given})
        else:
            size = (*x.shape[:2], x.shape[2] // window[0], x.shape[3] // window[1])
            spikes = torch.empty(size, memory_format=torch.channels_last)
            where = torch.empty_like(spikes, dtype=torch.uint8)
            kept = {"kept": torch.empty_like(spikes), "where": where}
            numbers = torch.empty(torch.get_num_threads(), 2, x.shape[1])
            _do(FIRE, x, {"out": spikes, "run": numbers, **kept, **given}, window)
        ctx.of, ctx.window, ctx.surrogate, ctx.theta_shape = of, window, surrogate, theta.shape
        ctx.save_for_backward(x, thresholds, *kept.values())
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        x, thresholds, *kept = ctx.saved_tensors
        of: Affine = ctx.of
        g, first, apart = _through_spikes(
            grad, kept[0] if kept else x, thresholds, of, ctx.surrogate
        )
        count = x.numel() // x.shape[1]
        slope = -of.scale * of.invstd.double().square() * apart / count
        offset = -of.scale * first / count - slope * of.mean
        given = {"x": x, "grad": g, "scale": of.scale}
        given |= {"slope": slope.float(), "offset": offset.float()}
        given |= {"where": kept[1]} if kept else {}
        grad_x = torch.empty_like(x) if kept else g
        _do(SPREAD, x, {"out": grad_x, **given}, ctx.window or (1, 1))
        grad_theta = _threshold_gradient(ctx, 3, first)
        return grad_x, (apart * of.invstd).float(), first.float(), grad_theta, None, None, None


def _threshold_gradient(ctx: Any, place: int, summed: Tensor) -> Tensor | None:
    """Of a threshold that is the argument ``place``, from the sum of g of every channel."""
    if not ctx.needs_input_grad[place]:
        return None
    by_channel = -summed.float()
    shape: torch.Size = ctx.theta_shape
    return (by_channel.sum() if shape.numel() == 1 else by_channel).view(shape)


def _through_spikes(
    grad: Tensor, x: Tensor, theta: Tensor, of: Affine, surrogate: Surrogate
) -> tuple[Tensor, Tensor, Tensor]:
    """g = dL/ds ds/du, and of every channel sum g and sum g (x - mean)."""
    given = {"x": x, "origin": of.mean}
    if isinstance(surrogate, S3):
        g = torch.empty_like(grad)
        alpha, beta = surrogate.alpha, surrogate.beta
        betas = alpha * theta / 4 if beta is None else torch.full_like(theta, beta)
        u = {"scale": of.scale, "shift": of.shift, "theta": theta}
        s3 = {"alpha": float(alpha), "beta": betas}
        return g, *_summed(GRADIENT, x, {"grad": grad, "out": g, **given, **u, **s3})
    scale, shift, theta = (t.view(-1, 1, 1) for t in (of.scale, of.shift, theta))
    g = gradient.in_pieces(grad, x, lambda x: x * scale + shift, theta, surrogate)
    return g, *_summed(GRADIENT, x, {"grad": g, **given})


def _by_channel(theta: Tensor, x: Tensor) -> Tensor:
    """A layer's threshold, or those of its channels, as float32 (C,)."""
    return theta.detach().float().expand(x.shape[1], 1, 1).flatten().contiguous()


class _Fire(torch.autograd.Function):
    """s = 1[u > theta] for a potential that is no batch-norm's: scale 1, shift 0."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, theta: Tensor, surrogate: Surrogate) -> Tensor:
        thresholds = _by_channel(theta, u)
        ones, zeros = torch.ones_like(thresholds), torch.zeros_like(thresholds)
        ctx.of, ctx.surrogate = Affine(zeros, ones, ones, zeros), surrogate
        ctx.theta_shape = theta.shape
        ctx.save_for_backward(u, thresholds)
        spikes = torch.empty_like(u)
        _do(FIRE, u, {"x": u, "out": spikes, "scale": ones, "shift": zeros, "theta": thresholds})
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        u, thresholds = ctx.saved_tensors
        g, first, _ = _through_spikes(grad, u, thresholds, ctx.of, ctx.surrogate)
        return g, _threshold_gradient(ctx, 1, first), None


def can_compute(x: Tensor, pool: nn.MaxPool2d | None) -> bool:
    """Whether ``norm_fire`` takes such a tensor and pool."""
    half = x.dtype == torch.bfloat16 and torch.is_autocast_enabled(
        "cpu"
    )  # whose parameters are not
    plain = x.device.type == "cpu" and x.ndim == 4 and (half or x.dtype == torch.float32)
    return plain and x.numel() > x.shape[1] and (pool is None or _fits(_window(pool), x))


def _fits(window: tuple[int, int] | None, x: Tensor) -> bool:
    """Whether there is one, in an image as large; torch has the error of a smaller image."""
    return window is not None and window[0] <= x.shape[2] and window[1] <= x.shape[3]


def _window(pool: nn.MaxPool2d) -> tuple[int, int] | None:
    """Height and width of the windows of ``pool``, if they lie side by side."""
    pairs = [
        (n, n) if isinstance(n, int) else tuple(n)
        for n in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    ]
    (height, width), stride, padding, dilation = pairs
    beside = stride == (height, width) and padding == (0, 0) and dilation == (1, 1)
    simple = beside and not pool.ceil_mode and height * width <= MOST_PLACES
    return (height, width) if simple else None


def norm_fire(
    x: Tensor, norm: nn.modules.batchnorm._BatchNorm, pool: nn.MaxPool2d | None, neuron: Fire
) -> Tensor:
    """The spikes of ``neuron(pool(norm(x)))`` in training mode, x (N, C, H, W).

    They are those of the three modules but for potentials within rounding of the threshold; float32
    whatever x is.
    """
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    x = x.float().contiguous(memory_format=torch.channels_last)
    window = None if pool is None else _window(pool)
    result: Tensor = _NormFire.apply(
        x, norm.weight, norm.bias, neuron.threshold(x), norm, window, neuron.surrogate
    )
    return result


def fire(u: Tensor, neuron: Fire) -> Tensor:
    """The spikes of ``neuron(u)``, u (N, C, H, W), bit for bit; its gradient to rounding."""
    u = u.float().contiguous(memory_format=torch.channels_last)
    result: Tensor = _Fire.apply(u, neuron.threshold(u), neuron.surrogate)
    return result
