"""What a person who trains is told in a sentence: settings that do less than they say."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import nn

from s3nn.config import Run
from s3nn.neurons import TemporalNeuron
from s3nn.training.precision import bfloat16_gain


def before(run: Run, network: nn.Module, device: torch.device) -> None:
    """Levels of a potential that a single step never stores; bfloat16 where it takes longer."""
    stored = [m for m in network.modules() if isinstance(m, TemporalNeuron)]
    if run.model.steps == 1 and any(neuron.potential_bits < 32 for neuron in stored):
        _say(
            f"model.neuron={run.model.neuron} stores no potential in one step: its levels change "
            "nothing there, weights and gates stay as they are set (--model.steps 4 stores it)"
        )
    asked = run.fit.precision == "bf16" and device.type == "cpu"
    if asked and (gain := bfloat16_gain()) < 1:
        _say(
            f"this processor's convolutions take {1 / gain:.1f} times as long in bfloat16 as in "
            "float32: --fit.precision auto trains in the faster one"
        )


def beginning_anew(names: Sequence[str]) -> None:
    """Weights that the network to start at does not have, if any."""
    if names:
        _say(
            "these weights are not in the network to start at and begin anew: "
            f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
        )


def afterwards(run: Run, history: Sequence[dict[str, float]]) -> None:
    """A budget that no epoch kept; the epoch that was kept is the nearest to it."""
    if run.budget.limit is None:
        return
    name, most = run.budget.limit
    least = min((line.get("validation_spent", 0.0) for line in history), default=0.0)
    if least > most:
        _say(
            f"budget.{name}={most:g} was not met: the least that an epoch spent is {least:.3g}; "
            "train longer, or start at a trained network (--fit.start RUN)"
        )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
