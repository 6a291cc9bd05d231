"""Layers that learn from what they are told, and from nothing behind them."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from s3nn.errors import UnsupportedError
from s3nn.registry import name_of
from s3nn.rules.base import Rule, drawn, hidden_layers, part


class LocalRule(Rule):
    """Each hidden layer is handed the gradient of its outputs; none comes from behind it.

    ``gradient`` says which.  A layer's outputs go on to the next as plain values, so that what it
    is handed moves its own synapse, batch-norm, threshold and leak alone; within the layer it goes
    through all steps.  A skip around neurons (a module called ``skip``) passes values on and no
    gradient.  The read-out, and neurons behind it, have the true gradient of the loss.

    B_l is a fixed random matrix from the K classes to the outputs of layer l, (K, C, ...).
    """

    crosses: ClassVar[bool] = False
    of_classes: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, Tensor] = {}

    @abstractmethod
    def gradient(
        self, hidden: Tensor, feedback: Tensor, error: Tensor | None, reward: Tensor
    ) -> Tensor:
        """The gradient of a layer's outputs ``hidden`` (T, N, C, ...), of the same shape.

        ``feedback`` is B_l as a matrix of K rows; ``error`` (T, N, K) what ``error`` gave;
        ``reward`` (N, K).
        """

    def error(self, loss: Tensor, outputs: Tensor, answer: Tensor, reward: Tensor) -> Tensor | None:
        """What the layers are told of the outputs, (T, N, K); nothing, unless a rule needs it."""
        return None

    def feedback(self) -> dict[str, Tensor]:
        """B_l of every layer, by the layer's name."""
        return {name: self.get_buffer(f"feedback{i}") for i, name in enumerate(self._names)}

    def prepare(self, network: nn.Module, shape: tuple[int, ...], classes: int, seed: int) -> None:
        for name in ("encode", "features", "readout"):
            part(network, name, self)
        probe = copy.deepcopy(network).train()
        _called_once(probe, shape, self)
        with torch.enable_grad(), torch.random.fork_rng(), self.attached(probe):
            some = next(probe.parameters())
            # Two images: a batch-norm of one has no variance.
            outputs = probe(torch.zeros((2, *shape), device=some.device, dtype=some.dtype))
            hidden = self._take()
        _keep_apart(probe, {**hidden, "readout": outputs}, self)
        self._names = list(hidden)
        for i, (name, output) in enumerate(hidden.items()):
            self.register_buffer(f"feedback{i}", drawn((classes, *output.shape[1:]), seed, name))

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        layers = hidden_layers(network)
        handles = [layer.register_forward_hook(self._keep(name)) for name, layer in layers]
        handles += [
            module.register_forward_hook(_cut)
            for name, module in network.named_modules()
            if name.rpartition(".")[2] == "skip"
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._seen.clear()

    def credit(self, loss: Tensor, outputs: Tensor, answer: Tensor, reward: Tensor) -> Tensor:
        error = self.error(loss, outputs, answer, reward)
        feedback = self.feedback()
        for name, hidden in self._take().items():
            with torch.no_grad():
                in_time = hidden.unflatten(0, outputs.shape[:2])
                gradient = self.gradient(in_time, feedback[name].flatten(1), error, reward)
            loss = loss + _Told.apply(hidden, gradient.to(hidden.dtype).flatten(0, 1))
        return loss

    def _keep(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            if not (module.training and torch.is_grad_enabled()):
                return output
            self._seen[name] = output
            return output.detach()

        return hook

    def _take(self) -> dict[str, Tensor]:
        """What the hidden layers emitted in the last forward pass."""
        seen, self._seen = self._seen, {}
        return seen


class _Told(torch.autograd.Function):
    """Zero, whose gradient by ``hidden`` is ``gradient``."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return hidden.new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0].to(gradient.dtype) * gradient, None


def _cut(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.detach() if module.training else output


def _called_once(network: nn.Module, shape: tuple[int, ...], rule: Rule) -> None:
    """Refuse a network that calls a layer of neurons twice: one gradient would be told to two."""
    calls: list[str] = []
    layers = hidden_layers(network)
    handles = [
        layer.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, layer in layers
    ]
    some = next(network.parameters())
    with torch.no_grad():
        network.eval()(torch.zeros((1, *shape), device=some.device, dtype=some.dtype))
    network.train()
    for handle in handles:
        handle.remove()
    twice = next((name for name in calls if calls.count(name) > 1), None)
    if twice is not None:
        raise UnsupportedError(
            f"the rule {name_of(rule)} where {twice} is called twice",
            type(network).__name__,
            "give each call neurons of its own, or take --optim.rule backprop",
        )


def _keep_apart(network: nn.Module, outputs: dict[str, Tensor], rule: Rule) -> None:
    """Refuse a network in which the gradient of one layer would reach another."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    owner: dict[int, str] = {}
    for layer, output in outputs.items():
        for found in _reached(output):
            other = owner.setdefault(found, layer)
            if other != layer:
                raise UnsupportedError(
                    f"the rule {name_of(rule)} where {names.get(found, 'a parameter')} moves "
                    f"the outputs of {other} and, around its neurons, those of {layer}",
                    type(network).__name__,
                    "call the module that leads around them skip, or take --optim.rule backprop",
                )


def _reached(output: Tensor) -> set[int]:
    """The parameters that the gradient of ``output`` reaches, by identity."""
    found: set[int] = set()
    ahead, seen = [output.grad_fn], {output.grad_fn}
    while ahead:
        node = ahead.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        for following, _ in node.next_functions:
            if following not in seen:
                seen.add(following)
                ahead.append(following)
    return found
