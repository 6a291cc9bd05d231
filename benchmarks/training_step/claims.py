"""What the numbers have to show."""

from __future__ import annotations

from typing import Any

from training_step.memory import Memory
from training_step.timing import Seconds, ratio

STEP = "s3nn-events"  # one row for time and memory: not the fastest here and the leanest there
MOST_OF_RELU = {"cpu": 1.10, "cuda": 1.05}
MOST_ACTIVATIONS = 0.7
LEAST_FASTER = {
    "spikingjelly-if": 1.5,
    "snntorch-t1": 1.5,
    "spikingjelly-lif-t4": 3.0,
    "snntorch-t4": 3.0,
    "norse-t4": 3.0,
}
PLAIN = "s3nn"
PLAIN_MOST_OF_RELU, PLAIN_MOST_OF_LIF = 1.25, 1 / 3


def shows(seconds: Seconds, memory: dict[str, Memory], device: str) -> list[dict[str, Any]]:
    """Every claim whose rows were measured: {claim, value, bar, holds}."""
    found = []
    if STEP in seconds:
        bar = MOST_OF_RELU[device]
        kept = memory[STEP].activations / memory["relu"].activations
        text = f"a step of {STEP} takes at most {bar:.2f} times the ReLU twin's time"
        found.append(_at_most(text, ratio(seconds, STEP, "relu"), bar))
        text = f"{STEP} keeps at most {MOST_ACTIVATIONS} times the ReLU twin's activation memory"
        found.append(_at_most(text, kept, MOST_ACTIVATIONS))
        for row, least in LEAST_FASTER.items():
            if row in seconds:
                text = f"a step of {STEP} is at least {least:g} times as fast as {row}'s"
                found.append(_at_least(text, ratio(seconds, row, STEP), least))
    if PLAIN in seconds:
        text = f"a step of {PLAIN}, not lean, takes at most 1.25 times the ReLU twin's time"
        found.append(_at_most(text, ratio(seconds, PLAIN, "relu"), PLAIN_MOST_OF_RELU))
        if "lif-t4" in seconds:
            text = f"a step of {PLAIN}, not lean, takes at most a third of lif-t4's time"
            found.append(_at_most(text, ratio(seconds, PLAIN, "lif-t4"), PLAIN_MOST_OF_LIF))
    return found


def _at_most(claim: str, value: float, bar: float) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": bar, "holds": value <= bar}


def _at_least(claim: str, value: float, bar: float) -> dict[str, Any]:
    return {"claim": claim, "value": value, "bar": bar, "holds": value >= bar}
