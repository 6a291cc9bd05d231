"""Feedback alignment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from s3nn.errors import UnsupportedError
from s3nn.rules.base import Rule, drawn, part

__all__ = ["FeedbackAlignment"]


class FeedbackAlignment(Rule):
    """Gradients go down through fixed random weights: W^T is B^T in the backward pass.

    Of a synapse y = W x (a convolution or a matrix), dL/dx = B^T dL/dy and dL/dW = dL/dy x^T.  B
    has the shape of W, is fixed, and uniform of a bound sqrt(6 / fan-in).  Neurons, batch-norms,
    pools and skips are gone through as in back-propagation.  The first layer needs no B.

    Source: Lillicrap, Cownden, Tweed, Akerman, "Random synaptic feedback weights support error
    backpropagation for deep learning", Nature Communications 7 (2016) 13276.
    """

    def feedback(self) -> dict[str, Tensor]:
        """B of every synapse but the first, by the layer's name."""
        return {name: self.get_buffer(f"feedback{i}") for i, name in enumerate(self._names)}

    def prepare(self, network: nn.Module, shape: tuple[int, ...], classes: int, seed: int) -> None:
        first = set(part(network, "encode", self).modules())
        layers = {
            name: layer
            for name, layer in network.named_modules()
            if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer not in first
        }
        self._names = list(layers)
        for i, (name, layer) in enumerate(layers.items()):
            if isinstance(getattr(layer, "padding", 0), str):
                raise UnsupportedError(
                    f"feedback alignment with padding={layer.padding!r}",
                    name,
                    "say the padding in pixels",
                )
            if getattr(layer, "padding_mode", "zeros") != "zeros":
                raise UnsupportedError(
                    f"feedback alignment with padding_mode={layer.padding_mode!r}",
                    name,
                    "pad with zeros",
                )
            self.register_buffer(f"feedback{i}", drawn(tuple(layer.weight.shape), seed, name))

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        layers = [network.get_submodule(name) for name in self._names]
        for i, layer in enumerate(layers):
            layer.forward = self._forward(layer, f"feedback{i}")
        try:
            yield
        finally:
            for layer in layers:
                del layer.forward

    def _forward(self, layer: Any, buffer: str) -> Callable[[Tensor], Tensor]:
        def forward(x: Tensor) -> Tensor:
            own = type(layer).forward
            if not (layer.training and torch.is_grad_enabled() and x.requires_grad):
                result: Tensor = own(layer, x)
                return result
            y = own(layer, x.detach())
            fed: Tensor = _FedBack.apply(y, x, self.get_buffer(buffer), layer)
            return fed

        return forward


class _FedBack(torch.autograd.Function):
    """y of a layer, whose gradient goes to x through B as well as to y."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, b: Tensor, layer: nn.Module) -> Tensor:
        ctx.save_for_backward(b)
        ctx.shape, ctx.dtype, ctx.layer = x.shape, x.dtype, layer
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (grad,), (b,), layer = grads, ctx.saved_tensors, ctx.layer
        b = b.to(grad.dtype)
        if isinstance(layer, nn.Linear):
            down = grad @ b
        else:
            down = conv2d_input(
                ctx.shape, b, grad, layer.stride, layer.padding, layer.dilation, layer.groups
            )
        return grad, down.to(ctx.dtype), None, None
