"""How far neurons are from their thresholds, and which spikes integers get wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from s3nn.graph.ir import Array
from s3nn.graph.nodes import Fire
from s3nn.graph.quantise import Quantised

NEAR = 0.01  # of the spread of a layer's potentials
BATCH = 100
MOST = 1e8  # potentials of neurons: 400 MB of distances


@dataclass(frozen=True)
class Margin:
    """One layer of neurons.  Shares are of all its neurons over all images.

    firing_rate      of the network of real numbers
    near             whose potential is within ``NEAR`` standard deviations of the threshold
    error            root mean square of the error of the potentials, in standard deviations
    predicted_flips  that fire when they should not or the reverse, if the error were Gaussian and
                     did not depend on the potential: the mean of Phi(-|u - theta| / error)
    flips            that do
    """

    layer: str
    firing_rate: float
    near: float
    error: float
    predicted_flips: float
    flips: float


def margins(found: Quantised, images: Array) -> list[Margin]:
    """The margins of every layer of neurons, over raw images (N, C, H, W).

    The integer network runs from the image on, so that a layer's error holds that of all layers in
    front of it.  A network of many neurons is looked at with the first images only, at least one:
    together they show ``MOST`` potentials.
    """
    layers = [v.name for v in found.real if isinstance(v.node, Fire)]
    neurons = sum(int(np.prod(found.real.specs[name].shape)) for name in layers)
    images = images[: max(1, int(MOST / neurons))]
    parts = {name: _Sums() for name in layers}
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        wanted = {found.real[name].inputs[0] for name in layers}
        real = {v.name: x for v, x in found.real.values(batch) if v.name in wanted}
        sources = {found.made[name] for name in wanted} | {found.made[name] for name in layers}
        integer = {v.name: x for v, x in found.integer.values(batch) if v.name in sources}
        for name in layers:
            before = found.real[name].inputs[0]
            node = found.real[name].node
            assert isinstance(node, Fire)
            parts[name].add(
                real[before], _meant(found, before, integer), node, integer[found.made[name]]
            )
    return [parts[name].margin(name) for name in layers]


def _meant(found: Quantised, name: str, integer: dict[str, Array]) -> Array:
    """The real potentials that the integers stand for."""
    values, form = integer[found.made[name]], found.forms.get(name)
    if form is None:
        return values
    axes = (1, -1, *[1] * (values.ndim - 2))
    meant: Array = values * form.scale.reshape(axes) + form.offset.reshape(axes)
    return meant


class _Sums:
    """What a layer's margin is computed from, a batch at a time."""

    def __init__(self) -> None:
        self.distances: list[Array] = []
        self.fired, self.flipped, self.count = 0, 0, 0
        self.spread, self.error = 0.0, 0.0  # sums of squares

    def add(self, u: Array, meant: Array, node: Fire, spikes: Array) -> None:
        theta = node.threshold.reshape(1, -1, *[1] * (u.ndim - 2))
        should = u > theta
        self.fired += int(should.sum())
        self.flipped += int((should != spikes.astype(bool)).sum())
        self.count += u.size
        self.spread += float(((u - u.mean()) ** 2).sum())
        self.distances.append(np.abs(u - theta).astype(np.float32).ravel())
        self.error += float(np.square(meant - u).sum())

    def margin(self, name: str) -> Margin:
        spread = float(np.sqrt(self.spread / self.count)) or 1.0
        distance = np.concatenate(self.distances) / spread
        error = float(np.sqrt(self.error / self.count)) / spread
        predicted = float(ndtr(-distance / error).mean()) if error > 0 else 0.0
        near = float((distance < NEAR).mean())
        return Margin(
            name, self.fired / self.count, near, error, predicted, self.flipped / self.count
        )
