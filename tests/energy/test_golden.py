"""Counts of every architecture with every kind of neuron, held against golden_counts.json.

After a change that is meant to move them, write the file anew and read the diff::

    PYTHONPATH=src .venv/bin/python tests/energy/test_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from s3nn.clock import unroll
from s3nn.energy import Counts, count
from s3nn.models import Parts
from s3nn.registry import MODELS

GOLDEN = Path(__file__).with_name("golden_counts.json")
STEPS = {"relu": 1, "fire": 1, "sign": 1, "lif": 3}
CASES = [f"{model}/{neuron}" for model in MODELS.names() for neuron in STEPS]


def counts_of(case: str) -> Counts:
    """Weights and pixels are sixteenths, so that every sum is exact on every machine."""
    name, neuron = case.split("/")
    torch.manual_seed(0)
    model = MODELS.build(
        name, input_shape=(2, 17, 16), classes=10, parts=Parts(neuron), width=0.0625
    )
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_((weight * 16).round() / 16)
    x = torch.randint(-48, 48, (3, 2, 17, 16)) / 16
    return count(unroll(model, STEPS[neuron]), [x])


def summary(counts: Counts) -> dict[str, int]:
    names = ("macs", "acs", "adds", "neuron_updates", "spikes", "parameters", "weight_bits")
    totals = {name: getattr(counts, name) for name in names}
    return totals | {"dense": sum(layer.dense for layer in counts.layers)}


@pytest.mark.parametrize("case", CASES)
def test_counts_are_as_they_were(case: str) -> None:
    assert summary(counts_of(case)) == json.loads(GOLDEN.read_text())[case]


def test_the_golden_file_is_about_what_there_is() -> None:
    assert sorted(json.loads(GOLDEN.read_text())) == sorted(CASES)


if __name__ == "__main__":
    rows = {case: summary(counts_of(case)) for case in CASES}
    GOLDEN.write_text(json.dumps(rows, indent=1) + "\n")
