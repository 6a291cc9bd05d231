"""Which weights of a network read which layer of neurons, and whether all between is linear."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from s3nn.errors import UnsupportedError
from s3nn.graph.trace import INPUT, Site, trace
from s3nn.neurons import ClipFloor, Relu
from s3nn.registry import name_of
from s3nn.synapses import Synapse
from s3nn.synapses.real import Real

# What hands on what it reads, value by value or as sums and zeros.
_HANDS_ON = ("reshape", "avg_pool", "pad", "repeat")
_OF_CURRENTS = ("norm", "max_pool", "add", "concatenate", "neuron")


def readers(model: nn.Module) -> dict[str, str | None]:
    """The layer of neurons that each layer of weights reads, by their paths; None: the input.

    Whatever stands between has to be linear, so that a network of spikes, each worth the threshold
    of its neuron, has the same mean currents: convolutions, linear layers, batch-norms, averages,
    sums of currents.  A max-pool may stand in front of neurons.  Anything else is an
    ``UnsupportedError``.

    >>> from s3nn.models import Mlp, Parts
    >>> readers(Mlp((1, 8, 8), 10, Parts(neuron="relu")))
    {'encode.1.0': None, 'features.1.0': 'features.0', 'readout': 'features.2'}
    """
    found: dict[str, str | None] = {}
    carried: dict[str, str | None] = {INPUT: None}  # the neurons whose output a site passes on
    last = INPUT
    for site in trace(model):
        sources = {carried.get(name) for name in site.inputs}
        from_neurons = sources != {None}
        match site.operation:
            case "conv" | "linear":
                module = model.get_submodule(site.module or "")
                _check_weights(site, module, model, found)
                (found[site.name],) = sources
                carried[site.name] = None
            case "neuron":
                _check_neurons(site, model.get_submodule(site.module or ""), carried)
            case operation if operation not in (*_HANDS_ON, *_OF_CURRENTS):
                raise _unsupported(site, "take it out of the network, and train again")
        if site.operation in _OF_CURRENTS and from_neurons:
            raise _unsupported(
                site,
                "it reads what neurons emit, and rates of spikes do not pass it as activations "
                "do: put weights between them, or the pool in front of the neurons",
            )
        if site.operation in _HANDS_ON:
            (carried[site.name],) = sources
        else:
            carried[site.name] = site.name if site.operation == "neuron" else None
        last = site.name
    if carried[last] is not None or not any(found.values()):
        raise UnsupportedError(
            "converting a network without weights behind its neurons",
            type(model).__name__,
            "give it a linear read-out",
        )
    return found


def _check_weights(
    site: Site, layer: nn.Module, model: nn.Module, found: dict[str, str | None]
) -> None:
    synapse = getattr(layer, "synapse", None)
    if isinstance(synapse, Synapse) and not isinstance(synapse, Real):
        kind = name_of(synapse)
        raise _unsupported(
            site,
            f"its weights are seen through the synapse {kind}, whose levels a threshold would "
            "scale: train the ReLU network with --model.synapse real",
        )
    weight = layer.get_parameter("weight")
    if any(model.get_parameter(f"{name}.weight") is weight for name in found):
        raise _unsupported(site, "its weights read two layers: give each weights of its own")


def _check_neurons(site: Site, neuron: nn.Module, seen: Mapping[str, str | None]) -> None:
    if site.module in seen:
        raise _unsupported(site, "it is called twice: give each call neurons of its own")
    if not isinstance(neuron, (Relu, ClipFloor)):
        raise _unsupported(
            site,
            f"its neurons are {name_of(neuron)}: convert a network of ReLUs, which "
            "--model.neuron relu or clip_floor trains",
        )


def _unsupported(site: Site, instead: str) -> UnsupportedError:
    return UnsupportedError(f"converting {site.operation}", site.name, instead)
