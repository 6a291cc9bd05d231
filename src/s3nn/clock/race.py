"""A network of neurons that fire once, run on the times of their spikes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.clock.encoders import Encoder
from s3nn.clock.encoders.latency import Latency
from s3nn.clock.readouts import Readout
from s3nn.clock.readouts.first_spike import FirstSpike
from s3nn.clock.stages import STAGES, check_stages
from s3nn.clock.timed import EarliestPool2d, TimedLayer
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron, TimedNeuron
from s3nn.registry import name_of
from s3nn.synapses import SynapticConv2d, SynapticLinear

_WEIGHTS = (SynapticConv2d, SynapticLinear)


class Arrivals(Encoder):
    """A latency encoder's spikes as times: (N, C, H, W), inf where a pixel has none."""

    emits = Edge.TIME

    def __init__(self, encoder: Latency) -> None:
        super().__init__(encoder.steps)
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder.arrivals(x).to(x.dtype)


class _Lead(torch.autograd.Function):
    """T - t, 0 where t is inf; dE/dt = -dE/dlead, for silent neurons too: they have to learn."""

    @staticmethod
    def forward(ctx: Any, times: Tensor, steps: int) -> Tensor:
        return steps - times.clamp(max=steps)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (grad,) = grads
        return -grad, None


class Lead(Readout):
    """``FirstSpike`` of neurons that fire once, from the times (N, K) at which they do."""

    def __init__(self, readout: FirstSpike) -> None:
        super().__init__(readout.steps)
        self.scale = readout.scale

    def forward(self, outputs: Tensor) -> Tensor:
        lead: Tensor = _Lead.apply(outputs, self.steps)
        return lead / self.scale


class Race(nn.Module):
    """A network whose neurons fire once, and whose answer is which of the last fires first.

    Images (N, C, H, W) to (T - t) / scale (N, classes), t the step of an output neuron's spike, T
    if it has none.  Layers pass on times, which is the same network as ``Unroll``'s of the same
    neurons, spike by spike, without its T steps.
    """

    def __init__(self, model: nn.Module, encoder: Latency, over_time: FirstSpike) -> None:
        super().__init__()
        self.encode, self.features, self.readout = (model.get_submodule(name) for name in STAGES)
        self.encoder, self.over_time = Arrivals(encoder), Lead(over_time)
        self.input_shape = getattr(model, "input_shape", None)
        self.steps = encoder.steps

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.over_time(self.times(x))
        return answer

    def times(self, x: Tensor) -> Tensor:
        """When each output neuron fires (N, classes), for images x; inf: never."""
        found: Tensor = self.readout(self.features(self.encode(self.encoder(x))))
        return found

    @property
    def hidden(self) -> list[TimedLayer]:
        """The layers in front of the last one."""
        layers = [m for m in self.modules() if isinstance(m, TimedLayer)]
        return [layer for layer in layers if layer is not self.readout]


def race(
    model: nn.Module, encoder: Encoder, over_time: Readout, output: Neuron | None = None
) -> Race:
    """A copy of ``model`` whose layers are run on spike times; ``output``: those of the classes.

    The encoder has to be ``Latency`` and the read-out ``FirstSpike``, with as many steps.  The
    model may have convolutions and linear layers without bias, max-pools and ``TimedNeuron``s, all
    alike; its weights start where these neurons say.

    >>> from s3nn.models import Mlp, Parts
    >>> from s3nn.neurons.sstdp import Sstdp
    >>> model = Mlp((1, 8, 8), classes=10, parts=Parts("sstdp"), norm=False)
    >>> net = race(model, Latency(steps=255), FirstSpike(steps=255), Sstdp())
    >>> net(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    if not isinstance(output, TimedNeuron):
        raise UsageError(
            "neurons that learn from spike times need their like behind the outputs: write "
            "--model.output sstdp beside --model.neuron sstdp"
        )
    if not isinstance(encoder, Latency) or not isinstance(over_time, FirstSpike):
        raise UsageError(
            "a network of spike times reads when its pixels fire and answers by who fires first, "
            f"it cannot take the encoder {name_of(encoder)} with the read-out "
            f"{name_of(over_time)}: write --model.encoder latency "
            "--model.readout first_spike"
        )
    check_stages(model, "passing on spike times in")
    model = copy.deepcopy(model)
    _in_layers(model, output, encoder.steps)
    return Race(model, encoder, over_time)


def _in_layers(model: nn.Module, output: TimedNeuron, steps: int) -> None:
    """Put ``TimedLayer``s where the weights are, and nothing where their neurons were."""
    waiting: tuple[str, SynapticConv2d | SynapticLinear] | None = None
    for name, module in _chain(model):
        if isinstance(module, _WEIGHTS):
            if waiting is not None:
                raise _unlike(name, module, "weights read weights, with no neurons between them")
            waiting = name, module
        elif isinstance(module, TimedNeuron):
            if waiting is None:
                raise _unlike(name, module, "there are no weights in front of these neurons")
            _put(model, waiting[0], TimedLayer(waiting[1], module, steps))
            _put(model, name, nn.Identity())
            waiting = None
        elif isinstance(module, nn.MaxPool2d):
            if waiting is not None:
                raise _unlike(name, module, "it pools the currents of steps; pool behind neurons")
            options = (module.kernel_size, module.stride, module.padding, module.dilation)
            _put(model, name, EarliestPool2d(*options))
        elif not isinstance(module, (nn.Flatten, nn.Identity)):
            raise _unlike(name, module, "it is no layer of weights, neurons or max-pool")
    if waiting is None:
        raise _unlike("readout", model.get_submodule("readout"), "it has no weights of its own")
    _put(model, waiting[0], TimedLayer(waiting[1], copy.deepcopy(output), steps))


def _chain(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules that data goes through, in order; neurons and weights are taken whole."""
    named = list(model.named_modules(remove_duplicate=False))  # a pool may stand in two places
    whole = [n for n, m in named if isinstance(m, (Neuron, *_WEIGHTS))]
    parts = [
        (name, module)
        for name, module in named
        if (name in whole or not list(module.children()))
        and not any(name.startswith(f"{outer}.") for outer in whole)
    ]
    return sorted(parts, key=lambda part: STAGES.index(part[0].partition(".")[0]))


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _unlike(name: str, module: nn.Module, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} ({type(module).__name__}) in a network of spike times",
        why,
        'use a model of weights and neurons alone, for instance --model.name "mlp(norm=False)"',
    )
