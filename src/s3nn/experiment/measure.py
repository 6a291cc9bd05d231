"""Everything that is known of a trained network: its score, counts, energy, what its neurons do."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.data.base import Split
from s3nn.data.batches import Batches
from s3nn.energy import PRICE_LISTS, Counts, Energy, count, integer_rivals, lint, price
from s3nn.experiment.judging import judge
from s3nn.experiment.observe import answers_of, histograms, spike_maps, threshold_of
from s3nn.neurons import Neuron
from s3nn.report import schema
from s3nn.surrogates import Surrogate
from s3nn.tasks import Posed, Task
from s3nn.training.asked import asked
from s3nn.training.folder import SCORE

SHOWN_IMAGES = 6
HISTOGRAM_IMAGES = 200
MANY_STEPS = 8


@dataclass(frozen=True)
class Measured:
    """A row, the exact counts behind it, and the arrays that its page draws."""

    row: schema.Row
    counts: Counts
    arrays: dict[str, NDArray[np.generic]]


def measure(
    name: str, run: Run, network: nn.Module, data: DataSet, history: list[dict[str, float]]
) -> Measured:
    """Measure ``network`` on the test split of ``data``, which is read here and nowhere else."""
    network.eval()
    spec = data.spec
    task = asked(run, data)
    together = _at_once(task.evaluation_batch, run.model.steps)
    test = Posed(Batches(data.test, batch_size=together, mean=spec.mean, std=spec.std), task)
    answers = answers_of(network, test)
    counts = count(network, test)
    energy = {key: price(counts, prices) for key, prices in PRICE_LISTS.items()}
    best = max(history, key=lambda line: line[SCORE])[f"validation_{task.score}"]
    shown = _one_of_each_class(data.test)
    judged = judge(name, task, answers, data.test, shown, best)
    arrays: dict[str, NDArray[np.generic]] = {
        "images": data.test.images[shown].numpy(),
        "labels": data.test.labels[shown].numpy(),
        **judged.arrays,
    }
    for number, (layer, spikes) in enumerate(spike_maps(network, answers[0][shown])):
        arrays[f"spikes/{name}/{number:02}/{layer}"] = spikes
    some = _some(data, task, run.model.steps)
    row = schema.Row(
        name=name,
        neuron=run.model.neuron,
        synapse=run.model.synapse,
        steps=run.model.steps,
        firing_rate=counts.firing_rate,
        spikes_per_inference=counts.spikes_per_inference,
        macs=counts.macs / counts.samples,
        acs=counts.acs / counts.samples,
        neuron_updates=counts.neuron_updates / counts.samples,
        adds=counts.adds / counts.samples,
        energy_pj={key: e.total_pj for key, e in energy.items()},
        parameters=counts.parameters,
        weight_bits=counts.weight_bits,
        train_s_per_epoch=median(line["seconds"] for line in history),
        peak_mem_bytes=int(history[-1]["peak_mem_bytes"]),
        epochs=len(history),
        layers=_layers(counts, energy),
        curves=_curves(history, task.score),
        potentials=tuple(
            schema.Potentials(h.layer, h.threshold, _floats(h.edges), _floats(h.counts))
            for h in histograms(network, some)
        ),
        surrogate=_surrogate_curve(network),
        lint=lint(network, counts),
        rivals=integer_rivals(counts, None) if counts.firing_rate else (),
        settings=run.flat(),
        **judged.fields,
    )
    return Measured(row, counts, arrays)


def _at_once(images: int, steps: int) -> int:
    """``images``, or fewer where a network of many steps would take the memory of many batches."""
    return max(1, min(images, MANY_STEPS * images // steps))


def price_lists() -> dict[str, schema.PriceList]:
    """The price lists as results state them."""
    return {
        key: schema.PriceList(p.summary, p.source, p.constants()) for key, p in PRICE_LISTS.items()
    }


def _floats(values: NDArray[np.generic]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _curves(history: list[dict[str, float]], score: str) -> schema.Curves:
    names = ("train_loss", "validation_loss", f"validation_{score}")
    return schema.Curves(**{name: (tuple(line[name] for line in history),) for name in names})


def _some(data: DataSet, task: Task, steps: int) -> Tensor:
    """A few validation images as the task shows them."""
    spec, number = data.spec, _at_once(min(HISTOGRAM_IMAGES, task.evaluation_batch), steps)
    some = Batches(data.validation[:number], batch_size=number, mean=spec.mean, std=spec.std)
    shown: Tensor = next(iter(Posed(some, task)))[0]
    return shown


def _one_of_each_class(split: Split) -> list[int]:
    """The first test image of each of the first classes."""
    found = [(split.labels == label).nonzero() for label in split.labels.unique()[:SHOWN_IMAGES]]
    return [int(places[0]) for places in found]


def _surrogate_curve(network: nn.Module) -> schema.SurrogateCurve | None:
    """The first spiking layer's surrogate, over potentials around its threshold."""
    for module in network.modules():
        surrogate = getattr(module, "surrogate", None)
        if isinstance(module, Neuron) and isinstance(surrogate, Surrogate):
            theta = threshold_of(module)
            u = torch.linspace(theta - 3, theta + 3, 241)
            derivative = surrogate.derivative(u, theta)
            return schema.SurrogateCurve(
                repr(surrogate), tuple(u.tolist()), tuple(derivative.tolist())
            )
    return None


def _layers(counts: Counts, energy: dict[str, Energy]) -> tuple[schema.Layer, ...]:
    by_layer = {key: {part.name: part.total_pj for part in e.layers} for key, e in energy.items()}
    return tuple(
        schema.Layer(
            name=layer.name,
            operation=layer.operation,
            input_edge=layer.reads.value,
            output_edge=layer.writes.value,
            firing_rate=layer.firing_rate,
            macs=layer.macs / counts.samples,
            acs=layer.acs / counts.samples,
            adds=layer.adds / counts.samples,
            neuron_updates=layer.neuron_updates / counts.samples,
            energy_pj={key: pj[layer.name] for key, pj in by_layer.items()},
        )
        for layer in counts.layers
    )
