"""Neurons: one file each.  State, where there is any, is passed and never kept."""

from typing import Any

from s3nn.neurons.base import (
    Neuron,
    PairedNeuron,
    SteppedNeuron,
    TemporalNeuron,
    Threshold,
    TimedNeuron,
)
from s3nn.registry import NEURONS, Spec
from s3nn.surrogates import make_surrogate

__all__ = [
    "Neuron",
    "PairedNeuron",
    "SteppedNeuron",
    "TemporalNeuron",
    "Threshold",
    "TimedNeuron",
    "make_neuron",
]


def make_neuron(spec: Spec | str, channels: int | None) -> Neuron:
    """The neuron that ``spec`` describes, for a layer of ``channels`` channels.

    Without their number, neurons that have something a channel are a ``UsageError``.

    >>> make_neuron("fire(threshold=0.5, surrogate=s3(alpha=5))", channels=8).surrogate
    S3(alpha=5, beta=1.0)
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    items = tuple((key, _option(key, value)) for key, value in spec.items)
    neuron: Neuron = NEURONS.build(Spec(spec.name, items), channels=channels)
    return neuron


def _option(key: str, value: Any) -> Any:
    """A surrogate is built; any other bare word stands for itself: ``lif(reset=soft)``."""
    if key == "surrogate" and isinstance(value, (Spec, str)):
        return make_surrogate(value)
    return value.name if isinstance(value, Spec) and not value.items else value


def __getattr__(name: str) -> Any:
    return NEURONS.attribute(name)
