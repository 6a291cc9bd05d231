"""dL/du from dL/ds where u is computed again: in pieces that stay in the cache, or compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from s3nn.surrogates import Surrogate

Potential = Callable[[Tensor], Tensor]

# Elements of a piece on a CPU: its ten or so passes then find it in the second-level cache, and
# scratch memory is a piece's.  Measured at 64 channels of 28x28: a third off the whole map's time.
PIECE = 200_000


def in_pieces(
    grad: Tensor, x: Tensor, potential: Potential, theta: Tensor, surrogate: Surrogate
) -> Tensor:
    """``grad * surrogate.backward_factor(potential(x), theta)``, some images at a time.

    ``grad`` and ``x`` are (N, C, ...), ``potential`` maps images one by one, ``theta`` broadcasts
    to an image.
    """
    images = max(1, PIECE // max(1, x[:1].numel())) if x.device.type == "cpu" else max(1, len(x))
    half = x.dtype in (torch.bfloat16, torch.float16)  # their arithmetic is slow on a CPU
    out = torch.empty_like(grad)
    pieces = zip(grad.split(images), x.split(images), out.split(images), strict=True)
    for piece, current, into in pieces:
        u = potential(current).float() if half else potential(current)
        torch.mul(piece, surrogate.backward_factor(u, theta).to(piece.dtype), out=into)
    return out


def _scaled(
    grad: Tensor, x: Tensor, scale: Tensor, shift: Tensor, theta: Tensor, surrogate: Surrogate
) -> Tensor:
    u = x.float() * scale + shift
    return (grad * surrogate.backward_factor(u, theta)).to(grad.dtype)


def _given(grad: Tensor, u: Tensor, theta: Tensor, surrogate: Surrogate) -> Tensor:
    return (grad * surrogate.backward_factor(u, theta)).to(grad.dtype)


@cache
def compiled_scaled() -> Callable[..., Tensor]:
    """``(grad, x, scale, shift, theta, surrogate)``: u = x scale + shift, as one compiled loop."""
    return torch.compile(_scaled, dynamic=True)


@cache
def compiled_given() -> Callable[..., Tensor]:
    """``(grad, u, theta, surrogate)``: the same for a potential that was kept."""
    return torch.compile(_given, dynamic=True)
