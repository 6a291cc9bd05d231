"""A network put on a chip."""

from __future__ import annotations

from torch import nn

from s3nn.chip.host import OnChip, ToChip
from s3nn.chip.injection import Injected, MeasuredFire, MeasuredOutput, MeasuredScan
from s3nn.chip.interface import Chip
from s3nn.clock import Scan, Unroll
from s3nn.clock.layers import neuron_of
from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron
from s3nn.neurons.cuba import Cuba
from s3nn.neurons.fire import Fire
from s3nn.neurons.integrator import Integrator
from s3nn.registry import name_of
from s3nn.synapses import SynapticLinear


def on_chip(network: nn.Module, chip: Chip) -> Unroll:
    """``network`` with the values of ``chip`` in its forward pass, and its own gradients.

    It is changed in place; its parameters keep their names.  It has to be an encoder that emits
    spikes and fully connected layers without bias or batch-norm between ``cuba`` neurons, with an
    ``integrator`` behind its outputs; or, with one step, between ``fire`` neurons.  Anything else
    is an ``UnsupportedError``; what does not fit on the chip is a ``UsageError`` when it runs.
    """
    if not isinstance(network, Unroll) or network.encoder.emits is not Edge.SPIKE:
        raise UnsupportedError(
            "an image that is not spikes, on a chip",
            type(network).__name__,
            "take an encoder that emits spikes, --model.encoder latency",
        )
    if network.steps == 1 and network.output is None:
        network.output = MeasuredOutput()
    layers: list[OnChip] = []
    replaced: dict[str, nn.Module] = {}
    synapses: SynapticLinear | None = None
    first = 0
    for name, module in _leaves(network):
        if isinstance(module, nn.Flatten):
            continue
        if isinstance(module, SynapticLinear) and synapses is None and module.bias is None:
            synapses = module
            continue
        if synapses is None or not isinstance(module, (Neuron, Scan)):
            raise UnsupportedError(
                f"{name} ({type(module).__name__}) on a chip",
                "it has synapses and neurons in turn, and neither biases nor batch-norms",
                "take such a model, for instance --model.name one_hidden",
            )
        measured = _measured(name, module, network.steps)
        replaced[name] = measured
        spikes = measured.emits is Edge.SPIKE
        layers.append(OnChip(synapses, measured, first, _theta(measured), spikes))
        first += synapses.out_features
        synapses = None
    if not layers or layers[-1].spikes:
        raise UnsupportedError(
            "a network on a chip whose outputs nobody samples",
            "it needs a layer of potentials at its end",
            'put integrators behind its outputs, --model.output "integrator(tau_s=4, tau_m=4)"',
        )
    for name, neurons in replaced.items():
        network.set_submodule(name, neurons)
    network.encoder = ToChip(network.encoder, chip, tuple(layers))
    return network


def _leaves(network: Unroll) -> list[tuple[str, nn.Module]]:
    """The modules that compute, in the order they run."""
    found: list[tuple[str, nn.Module]] = []
    for part in ("encode", "features", "readout", "output"):
        root = getattr(network, part)
        for name, module in root.named_modules() if root is not None else ():
            path = f"{part}.{name}" if name else part
            inside = any(path.startswith(f"{outer}.") for outer, m in found if _is_whole(m))
            if not inside and (_is_whole(module) or not list(module.children())):
                found.append((path, module))
    return found


def _is_whole(module: nn.Module) -> bool:
    return isinstance(module, (Neuron, Scan, nn.Linear, nn.Conv2d))


def _measured(name: str, module: Neuron | Scan, steps: int) -> Injected:
    if isinstance(module, MeasuredOutput):
        return module
    if steps == 1 and isinstance(module, Fire):
        return MeasuredFire(module)
    neuron = neuron_of(module)
    if steps > 1 and isinstance(neuron, (Cuba, Integrator)) and not list(neuron.parameters()):
        reset = getattr(neuron, "reset", "hard")
        if reset != "hard":
            raise UnsupportedError(
                f"{name} (cuba with reset={reset}) on a chip",
                "a spike of its neurons sets their potential to zero",
                "take --model.neuron cuba with reset=hard",
            )
        return MeasuredScan(neuron, steps)
    raise UnsupportedError(
        f"{name} ({name_of(neuron)} over {steps} step{'s' * (steps > 1)}) on a chip",
        "its neurons are leaky integrators with one synaptic current, set to what the model says",
        "take cuba neurons without learned parameters, or fire neurons and one step",
    )


def _theta(neurons: Injected) -> float:
    """The firing threshold of a layer; that of a read-out is what potentials are measured in."""
    holder = neurons.neuron if isinstance(neurons, MeasuredScan) else neurons
    if not isinstance(holder, (Cuba, Fire)):
        return 1.0
    theta = holder.threshold.value().detach()
    if theta.ndim or theta.requires_grad or holder.threshold.log_value is not None:
        raise UnsupportedError(
            "a learned threshold, or one a channel, on a chip",
            name_of(holder),
            "its thresholds are one for all neurons: leave learn and per_channel off",
        )
    return float(theta)
