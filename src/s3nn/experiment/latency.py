"""Microseconds of a compiled network as a linear function of its accumulations, by timing it."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.data.batches import normalise
from s3nn.decode import decode
from s3nn.energy.spending import Spending
from s3nn.energy.watching import Watch, reads
from s3nn.errors import RunFolderError, UnsupportedError
from s3nn.experiment.compiled import CALIBRATION, prepare
from s3nn.files import write_text
from s3nn.graph.ir import Array
from s3nn.neurons import Fire
from s3nn.penalties import Synaptic

# Thresholds are multiplied by these, so that networks of the same shape fire more and less.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
TIMED, ROUNDS = 32, 15  # images, one at a time, and how often each network takes them


@dataclass(frozen=True)
class Calibration:
    """t = us_at_rest + us_per_accumulation x accumulations, through the points that were timed.

    A compiled layer adds a row of weights to its sums for every spike it reads, so that its time
    goes with the spikes' fan-out (results/inference measures the line).
    """

    us_at_rest: float
    us_per_accumulation: float
    accumulations: tuple[float, ...]
    latency_us: tuple[float, ...]

    @property
    def r_squared(self) -> float:
        times = np.array(self.latency_us)
        line = self.us_at_rest + self.us_per_accumulation * np.array(self.accumulations)
        return float(1 - ((times - line) ** 2).sum() / ((times - times.mean()) ** 2).sum())

    def spending(self, network: nn.Module) -> Spending:
        """Of a network of the shape that was timed."""
        readers = [site.name for site in Watch(network, []).sites if reads(site)]
        each = dict.fromkeys(readers, self.us_per_accumulation)
        return Spending("us", self.us_at_rest, each, {}, {})


def calibrated(run: Run, network: nn.Module, data: DataSet, path: Path) -> Calibration:
    """The calibration in ``path``; where there is none, timed now and written there.

    A resumed training thus goes on with the line it began with.
    """
    if path.is_file():
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} is damaged ({error}): delete it to time again") from error
        found: Calibration = decode(Calibration, tree, path.name)
        return found
    found = calibrate(run, network, data)
    write_text(path, json.dumps(asdict(found), indent=2) + "\n")
    return found


def calibrate(run: Run, network: nn.Module, data: DataSet) -> Calibration:
    """Time ``network`` with its thresholds at several heights, compiled, one image at a time.

    An ``UnsupportedError`` for a network that has no compiled form, and where time does not rise
    with spikes.
    """
    if run.model.steps > 1 or not any(isinstance(m, Fire) for m in network.modules()):
        raise UnsupportedError(
            f"a budget of latency for {run.model.neuron} over {run.model.steps} steps",
            "budget.latency_us",
            "only networks of fire neurons in one step compile: take --budget.energy-pj",
        )
    images = data.train.first(TIMED).numpy()
    variants = [_at(network, factor) for factor in FACTORS]
    counts = [_accumulations(variant, data) for variant in variants]
    programs = [_program(variant, data) for variant in variants]
    times = timed(programs, images)
    each, rest = np.polyfit(counts, times, 1)
    if not each > 0:
        raise UnsupportedError(
            "a latency that does not rise with spikes",
            f"{times[0]:.1f} us at {counts[0]:.0f} accumulations, {times[-1]:.1f} us at "
            f"{counts[-1]:.0f}",
            "the machine is busy, or the network too small: take --budget.energy-pj",
        )
    return Calibration(float(rest), float(each), tuple(counts), tuple(times))


def latency_us(network: nn.Module, data: DataSet, images: Array) -> float:
    """Microseconds an image of ``network``, compiled, on this machine: as ``calibrate`` times."""
    (found,) = timed([_program(network, data)], images[:TIMED])
    return found


def timed(programs: list[Callable[[Array], Array]], images: Array) -> list[float]:
    """The mean over ``images`` of the least of several rounds, in microseconds; interleaved."""
    least = np.full((len(programs), len(images)), np.inf)
    for _ in range(ROUNDS):
        for i, program in enumerate(programs):
            for j in range(len(images)):
                image = images[j : j + 1]
                begun = time.perf_counter_ns()
                program(image)
                least[i, j] = min(least[i, j], (time.perf_counter_ns() - begun) / 1000)
    return [float(mean) for mean in least.mean(1)]


def _at(network: nn.Module, factor: float) -> nn.Module:
    variant = copy.deepcopy(network).eval()
    for module in variant.modules():
        if isinstance(module, Fire):
            module.threshold.set_(module.threshold.value() * factor)
    return variant


def _accumulations(network: nn.Module, data: DataSet) -> float:
    """An image, the mean over those that are timed."""
    synapses = Synaptic()
    watch = Watch(network, [synapses])
    x = normalise(data.train.first(TIMED), data.spec.mean, data.spec.std)
    with watch.attached(), torch.inference_mode():
        network(x)
    return float(watch.taken(synapses)) / len(x)


def _program(network: nn.Module, data: DataSet) -> Callable[[Array], Array]:
    images = data.train.first(CALIBRATION).numpy()
    made = prepare(network, images, mean=data.spec.mean, std=data.spec.std)
    return made.program(threads=1)
