"""One pass over images with an eye on the neurons: answers, potentials, spikes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from s3nn.clock import Scan, TimedLayer, binary_layers
from s3nn.clock.layers import neuron_of
from s3nn.graph.ir import Edge
from s3nn.neurons import Neuron

BINS = 60
# Potentials are drawn from below -3 thresholds to above 4; what lies outside counts at the ends.
LOWEST, HIGHEST = -3.0, 4.0


@dataclass(frozen=True)
class Histogram:
    """Counts of a layer's membrane potential u; potentials outside lie in the outermost bins."""

    layer: str
    threshold: float
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]


def answers_of(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor, Tensor]:
    """What all batches show (N, C, H, W), the answers to it and those wanted, in 32 bits.

    The network is put into eval mode.
    """
    network.eval()
    shown, answers, wanted = [], [], []
    with torch.inference_mode():
        for x, y in batches:
            shown.append(x)
            answers.append(network(x).float())
            wanted.append(y)
    return torch.cat(shown), torch.cat(answers), torch.cat(wanted)


def histograms(network: nn.Module, x: Tensor) -> list[Histogram]:
    """Histograms of the membrane potential of every spiking layer, for images x (N, C, H, W)."""
    found: list[Histogram] = []

    def watch(name: str) -> Any:
        def hook(neuron: Neuron | Scan, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            theta = threshold_of(neuron)
            unit = theta or 1.0
            u = (neuron.potential(inputs[0]).float() / unit).clamp(LOWEST, HIGHEST).cpu()
            counts = torch.histc(u, BINS, LOWEST, HIGHEST).long().numpy()
            edges = unit * np.linspace(LOWEST, HIGHEST, BINS + 1)
            found.append(Histogram(name, theta, edges, counts))

        return hook

    with _hooks(network, watch), torch.inference_mode():
        network.eval()(x)
    return found


def spike_maps(network: nn.Module, x: Tensor) -> list[tuple[str, NDArray[np.unsignedinteger[Any]]]]:
    """The spikes of every spike-emitting layer for images x (N, C, H, W), summed over steps."""
    found: list[tuple[str, NDArray[np.unsignedinteger[Any]]]] = []
    samples = len(x)

    def watch(name: str) -> Any:
        def hook(neuron: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes = output.isfinite() if isinstance(neuron, TimedLayer) else output
            folded = spikes.detach().reshape(-1, samples, *output.shape[1:])
            kind = np.uint8 if len(folded) < 256 else np.uint16
            found.append((name, folded.sum(0).float().cpu().numpy().astype(kind)))

        return hook

    with (
        _hooks(network, watch, Edge.SPIKE),
        _hooks(network, watch, Edge.TIME),
        torch.inference_mode(),
    ):
        network.eval()(x)
    return found


def threshold_of(neuron: nn.Module) -> float:
    """A layer's threshold, the mean over channels where it has one each; 0 for sign neurons."""
    threshold = getattr(neuron_of(neuron), "threshold", None)
    return 0.0 if threshold is None else float(threshold.value().detach().mean())


@contextmanager
def _hooks(network: nn.Module, watch: Any, emits: Edge | None = None) -> Iterator[None]:
    """Forward hooks on spiking layers; a scanned neuron is watched through its scan."""
    handles = [
        layer.register_forward_hook(watch(name)) for name, layer in binary_layers(network, emits)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
