"""Every part of every registry is held to its contract, the day its file is added."""

from __future__ import annotations

import inspect
from itertools import product

import pytest
import torch
from torch import nn

from s3nn.clock import make_readout, unroll
from s3nn.models import Parts
from s3nn.neurons import PairedNeuron, TemporalNeuron, TimedNeuron, make_neuron
from s3nn.registry import ENCODERS, MODELS, NEURONS, READOUTS, RULES, SURROGATES, SYNAPSES
from s3nn.rules import make_rule
from s3nn.surrogates import make_surrogate
from s3nn.testing import (
    check_encoder,
    check_model,
    check_neuron,
    check_readout,
    check_rule,
    check_surrogate,
    check_synapse,
)

# Beside the defaults: options that a formula may hide behind its defaults.
SURROGATE_SPECS = [*SURROGATES.names(), "s3(alpha=5)", "s3(alpha=2, beta=None)", "s3(beta=0)"]
SURROGATE_SPECS += ["rectangle(width=0.7)", "triangle(width=0.7)", "straight_through(clip=0.4)"]
SURROGATE_SPECS += ["masked(of=s3(alpha=5), p=0.9)", "masked(of=sigmoid, p=0.2, rescale=True)"]
SURROGATE_SPECS += ["masked(of=s3, target=silent)", "masked(of=s3, target=fired, rescale=True)"]
SURROGATE_SPECS += ["masked(of=masked(of=arctan), p=0.3, target=fired)", "masked(p=0)"]
SYNAPSE_SPECS = [*SYNAPSES.names(), "integer(bits=2)", "integer(bits=8)"]
SYNAPSE_SPECS += ["mean_scaled(bits=2)", "mean_scaled(bits=8, per_channel=True)"]
ENCODER_SPECS = [*ENCODERS.names(), "latency(least=0.2)", "latency(least=0.2, tau=2, side=3)"]
READOUT_SPECS = [*READOUTS.names(), "membrane(tau=4, take=max)", "membrane(take=mean)"]
READOUT_SPECS += ["first_spike(threshold=0.5, scale=6)"]
RULE_SPECS = [*RULES.names(), "brp(form=target, scale=2)"]
RULE_SPECS += [f"direct_feedback_alignment(error={error})" for error in ("softmax", "sign")]
THRESHOLDS = [
    {"threshold": 0.5, "learn": learn, "per_channel": per_channel}
    for learn, per_channel in product((False, True), (False, True))
]
WITH_THRESHOLD = [
    (name, {key: value for key, value in options.items() if key in takes})
    for name in NEURONS.names()
    for options in THRESHOLDS
    if "threshold" in (takes := inspect.signature(NEURONS.get(name)).parameters)
]
LEAKS = [
    f"{neuron}(learn_leak=True, per_channel={per_channel}, reset={reset})"
    for neuron, per_channel, reset in product(
        ("lif", "cuba"), (False, True), ("hard", "soft", "none")
    )
]
# Neurons in pairs of layers, and those that fire once and are run on times, want a model of weights
# alone: tests/neurons/test_antlr.py, tests/clock/test_timed.py.
IN_MODELS = [
    name
    for name in NEURONS.names()
    if not issubclass(NEURONS.get(name), (PairedNeuron, TimedNeuron))
]
TEMPORAL = [name for name in IN_MODELS if issubclass(NEURONS.get(name), TemporalNeuron)]
IMAGE = (1, 16, 16)
WIDTH = 0.0625


@pytest.mark.parametrize("spec", SURROGATE_SPECS)
def test_surrogate(spec: str) -> None:
    check_surrogate(make_surrogate(spec))


PRECHARGED = ["iaf(precharge=0.5)", "iaf(precharge=0.3, threshold=0.7, learn=True)"]


@pytest.mark.parametrize("spec", [*NEURONS.names(), *LEAKS, *PRECHARGED])
def test_neuron(spec: str) -> None:
    check_neuron(lambda channels: make_neuron(spec, channels))


@pytest.mark.parametrize(("name", "options"), WITH_THRESHOLD, ids=str)
def test_neuron_with_threshold(name: str, options: dict[str, float]) -> None:
    check_neuron(lambda channels: NEURONS.get(name)(**options, channels=channels))


@pytest.mark.parametrize("spec", SYNAPSE_SPECS)
def test_synapse(spec: str) -> None:
    check_synapse(lambda: SYNAPSES.build(spec))


@pytest.mark.parametrize("spec", ENCODER_SPECS)
def test_encoder(spec: str) -> None:
    check_encoder(lambda steps: ENCODERS.build(spec, steps=steps))


@pytest.mark.parametrize("spec", READOUT_SPECS)
def test_readout(spec: str) -> None:
    check_readout(lambda steps: make_readout(spec, steps))


@pytest.mark.parametrize("spec", RULE_SPECS)
def test_rule(spec: str) -> None:
    check_rule(lambda: make_rule(spec))


def make_model(name: str, parts: Parts, width: float) -> nn.Module:
    model: nn.Module = MODELS.build(name, input_shape=IMAGE, classes=10, parts=parts, width=width)
    return model


@pytest.mark.parametrize("neuron", IN_MODELS)
@pytest.mark.parametrize("name", MODELS.names())
def test_model_of_neurons(name: str, neuron: str) -> None:
    check_model(lambda width: make_model(name, Parts(neuron), width), width=WIDTH)


@pytest.mark.parametrize("synapse", SYNAPSE_SPECS)
@pytest.mark.parametrize("name", MODELS.names())
def test_model_of_synapses(name: str, synapse: str) -> None:
    check_model(lambda width: make_model(name, Parts("fire", synapse), width), width=WIDTH)


@pytest.mark.parametrize("neuron", TEMPORAL)
@pytest.mark.parametrize("name", MODELS.names())
def test_model_in_time(name: str, neuron: str) -> None:
    check_model(lambda width: unroll(make_model(name, Parts(neuron), width), 3), width=WIDTH)


@pytest.mark.parametrize("name", MODELS.names())
def test_model_width_is_checked(name: str) -> None:
    for width in (0.0, -1.0, float("inf")):
        with pytest.raises(
            ValueError, match=f"width multiplier must be > 0 and finite, got {width}"
        ):
            make_model(name, Parts(), width)


@pytest.mark.parametrize("name", MODELS.names())
def test_model_takes_oblong_images(name: str) -> None:
    model = MODELS.build(name, input_shape=(3, 16, 24), classes=7, width=WIDTH).eval()
    answer = (3, 16, 24) if model.answers_images else (7,)
    assert model(torch.zeros(2, 3, 16, 24)).shape == (2, *answer)
    assert model.input_shape == (3, 16, 24)
