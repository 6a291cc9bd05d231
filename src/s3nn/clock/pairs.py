"""Layers that send two gradients down: one of spikes and one of their times."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3nn.clock.scan import Scan
from s3nn.errors import UnsupportedError, UsageError
from s3nn.neurons.base import Neuron, PairedNeuron
from s3nn.registry import name_of
from s3nn.synapses import SynapticConv2d, SynapticLinear

# What gives zeros for zeros, and hands a gradient back whatever it was given.
_LINEAR = (nn.Conv2d, nn.Linear, nn.AvgPool2d, nn.Flatten, nn.Identity)


class PairedScan(Scan):
    """``Scan`` of neurons that come in pairs of layers.

    In training it emits the spikes (T N, C, ...) and, behind them in the batch, as many zeros,
    whose gradient is that of the spikes' times; the ``first`` layer gets spikes alone, the ``last``
    emits them alone.
    """

    def __init__(self, neuron: PairedNeuron, steps: int, *, first: bool, last: bool) -> None:
        super().__init__(neuron, steps)
        self.first, self.last = first, last

    def forward(self, current: Tensor) -> Tensor:
        if self.passage is not None:
            return self.passage.through(self, current)  # which says that they need every step
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(current)
        neuron = self.neuron
        assert isinstance(neuron, PairedNeuron)
        timing: Tensor | None = None
        if not self.first:
            current, timing = current.chunk(2)
            timing = timing.unflatten(0, (self.steps, -1))
        current = current.unflatten(0, (self.steps, -1))
        spikes, times = neuron.paired(current, timing, self.last)
        return spikes.flatten(0, 1) if self.last else torch.cat([spikes, times]).flatten(0, 1)


def check_pairs(model: nn.Module, output: nn.Module | None) -> None:
    """Refuse a model of paired neurons that has anything else than weights between them."""
    neurons = [m for m in model.modules() if isinstance(m, Neuron)]
    kinds = sorted({name_of(m) for m in neurons})
    if len({type(m) for m in [*neurons, output]}) > 1:
        raise UsageError(
            "neurons that pass on the times of their spikes need their like in every layer and "
            f"behind the outputs; hidden ones are {' and '.join(kinds)}, those of the outputs "
            f"{'none' if output is None else name_of(output)}: "
            "write --model.neuron antlr --model.output antlr"
        )
    for name, module in model.named_modules():
        if name.startswith("encode") or isinstance(module, Neuron) or list(module.children()):
            continue
        inside = any(name.startswith(f"{n}.") for n, m in model.named_modules() if _whole(m))
        if not inside and (not isinstance(module, _LINEAR) or _has_bias(module)):
            raise UnsupportedError(
                f"{name} ({type(module).__name__}) between neurons that pass on spike times",
                "only layers without bias or batch-norm can hand both gradients down",
                'use such a model, for instance --model.name "mlp(norm=False)"',
            )


def _whole(module: nn.Module) -> bool:
    return isinstance(module, (Neuron, SynapticConv2d, SynapticLinear))


def _has_bias(module: nn.Module) -> bool:
    return getattr(module, "bias", None) is not None
