"""A network trained with less memory, found by its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.dropout import _DropoutNd

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Edge
from s3nn.graph.trace import Traced, called, traced
from s3nn.lean import fused, fused_in_c
from s3nn.lean.events import can_follow, can_read, convolve
from s3nn.lean.packing import Packed, pack
from s3nn.neurons.fire import Fire


@contextmanager
def lean(
    network: nn.Module, *, compiled: bool = False, events: bool = False
) -> Iterator[nn.Module]:
    """Inside, training steps of ``network`` keep less for backward; parameters stay where they are.

    - A convolution or linear layer that reads spikes keeps them as bits.
    - Batch-norm, max-pool and fire in a row are one operation, which keeps the batch-norm's input
      and computes the membrane potential again.

    Spikes and running statistics are bit for bit those of the plain network, gradients equal to
    rounding.  Evaluation is not touched.  A network that torch.fx cannot follow stays as it is.

    ``events`` lets a convolution whose input fires seldom add up what fired in place of multiplying
    by zeros, in the forward pass and for its weights' gradient, and has batch-norm, max-pool and
    fire in C too; on a CPU.  All that is in 32 bits; in bfloat16 are the products that are left,
    where autocast wants them.  Sums are in another order then: a potential within
    rounding of its threshold may fire where the plain network's does not.  It needs a C compiler.

    ``compiled`` hands the elementwise part of the fused backward to torch.compile, which needs a
    C++ compiler (on CUDA: Triton) and takes seconds at the first step.

    >>> import torch
    >>> from s3nn.models import Cnn7
    >>> model = Cnn7((1, 8, 8), 10, width=0.1)
    >>> with lean(model):
    ...     model(torch.randn(4, 1, 8, 8)).sum().backward()
    """
    try:
        found = traced(network)
    except UnsupportedError:
        yield network
        return
    readers = _readers(network, found, events)
    forwards = dict(readers) | dict(_fusions(network, found, compiled=compiled, in_c=events))
    for module, forward in forwards.items():
        module.forward = forward
    try:
        yield network
    finally:
        for module in forwards:
            del module.forward


class _Packing:
    """A layer whose input, being spikes, is saved as bits."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))  # or its cast is saved, a number each
        address, shape = x.data_ptr(), x.shape  # the hook lives on: it must not hold x itself

        def save(kept: Tensor) -> Tensor | Packed:
            is_input = kept.data_ptr() == address and kept.shape == shape
            return pack(kept) if is_input else kept

        with saved_tensors_hooks(save, _restore):
            result: Tensor = type(self.layer).forward(self.layer, x)
        return result


class _Following(_Packing):
    """A convolution that adds up what its spikes bring, where that is quicker."""

    def forward(self, x: Tensor) -> Tensor:
        followed = convolve(self.layer, x) if self.layer.training and can_read(x) else None
        return super().forward(x) if followed is None else followed


def _restore(kept: Tensor | Packed) -> Tensor:
    return kept.unpack() if isinstance(kept, Packed) else kept


class _Fusion:
    """Three modules of which, in training, the first two pass on and the last does the work."""

    def __init__(self, norm: Any, pool: Any, neuron: Any, *, compiled: bool, in_c: bool) -> None:
        self.norm, self.pool, self.neuron = norm, pool, neuron
        self.compiled, self.in_c = compiled, in_c

    def forward_norm(self, x: Tensor) -> Tensor:
        return x if self.norm.training else type(self.norm).forward(self.norm, x)

    def forward_pool(self, x: Tensor) -> Tensor:
        return x if self.norm.training else type(self.pool).forward(self.pool, x)

    def forward_neuron(self, x: Tensor) -> Tensor:
        if not self.norm.training:
            return type(self.neuron).forward(self.neuron, x)
        modules = self.norm, self.pool, self.neuron
        if self.in_c and fused_in_c.can_compute(x, self.pool):
            return fused_in_c.norm_fire(x, *modules)
        return fused.norm_fire(x, *modules, compiled=self.compiled)


class _Firing:
    """A neuron by itself, in C where that can compute it."""

    def __init__(self, neuron: Any) -> None:
        self.neuron = neuron

    def forward(self, u: Tensor) -> Tensor:
        if self.neuron.training and fused_in_c.can_compute(u, None):
            return fused_in_c.fire(u, self.neuron)
        return type(self.neuron).forward(self.neuron, u)


_Forwards = Iterator[tuple[nn.Module, Callable[[Tensor], Tensor]]]


def _readers(network: nn.Module, found: Traced, events: bool) -> _Forwards:
    reads: dict[str, bool] = {}  # of layers: whether all that they read, at every call, is spikes
    dropped = _dropped(network, found)
    for node, site in found.sites.items():
        if site.operation in ("conv", "linear") and site.module:
            spikes = site.reads is Edge.SPIKE and not dropped & {*found.sources[node]}
            reads[site.module] = reads.get(site.module, True) and spikes
    for layer in (network.get_submodule(name) for name, spikes in reads.items() if spikes):
        if not _given(layer):
            follows = events and can_follow(layer)
            yield layer, (_Following if follows else _Packing)(layer).forward


def _given(*modules: nn.Module | None) -> bool:
    """Whether one was given a forward already, by another ``lean`` or by its user."""
    return any(module is not None and "forward" in vars(module) for module in modules)


def _dropped(network: nn.Module, found: Traced) -> set[fx.Node]:
    """What a dropout has passed through: zeros in training, and what is left of spikes scaled."""
    dropped: set[fx.Node] = set()
    for node, site in found.sites.items():
        module = network.get_submodule(site.module) if site.module else None
        if module is None:
            drops = called(node).startswith("dropout")
        else:
            drops = isinstance(module, _DropoutNd)
        if drops or (site.operation != "neuron" and dropped & {*found.sources[node]}):
            dropped.add(node)
    return dropped


def _fusions(network: nn.Module, found: Traced, *, compiled: bool, in_c: bool) -> _Forwards:
    calls = Counter(site.module for site in found.sites.values())

    def behind(node: fx.Node, operation: str) -> fx.Node | None:
        """What ``node`` reads, if it is that operation, once in the network and read here alone."""
        (source,) = found.sources[node]
        site = found.sites.get(source)
        if site is None or site.operation != operation or site.module is None:
            return None
        return source if calls[site.module] == 1 and len(source.users) == 1 else None

    for node, site in found.sites.items():
        if site.operation != "neuron" or site.module is None or calls[site.module] > 1:
            continue
        pool = behind(node, "max_pool")
        norm = behind(node if pool is None else pool, "norm")
        if norm is None:
            neuron = network.get_submodule(site.module)
            if in_c and type(neuron) is Fire and not _given(neuron):
                yield neuron, _Firing(neuron).forward
            continue
        modules = [
            None if n is None else network.get_submodule(str(n.target)) for n in (norm, pool, node)
        ]
        if not fused.can_fuse(*modules) or _given(*modules):
            continue
        fusion = _Fusion(*modules, compiled=compiled, in_c=in_c)
        yield fusion.norm, fusion.forward_norm
        if fusion.pool is not None:
            yield fusion.pool, fusion.forward_pool
        yield fusion.neuron, fusion.forward_neuron
