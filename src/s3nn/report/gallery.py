"""The pictures of the page: spike maps layer by layer, and the images got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s3nn.report import images, units
from s3nn.report.details import Details, LayerSpikes
from s3nn.report.palette import tone_of
from s3nn.report.schema import Result, Row

MOST_IMAGES = 4


@dataclass(frozen=True)
class Tile:
    """A picture, what it shows in words, and a line under it; perhaps a strip below."""

    uri: str
    alt: str
    caption: str = ""
    strip: str = ""
    strip_alt: str = ""
    note: str = ""


@dataclass(frozen=True)
class SpikeMaps:
    """One row's spikes: a heading per layer, and per test image the image and a tile a layer."""

    layers: tuple[str, ...]
    lines: tuple[tuple[Tile, ...], ...]


def spike_maps(result: Result, row: Row, details: Details) -> SpikeMaps | None:
    """The spikes that a few test images cause in each layer of ``row``; none without the arrays."""
    layers = details.spikes.get(row.name)
    if not layers:
        return None
    channels = [
        images.telling_channels(layer.spikes) if layer.spikes.ndim == 4 else [] for layer in layers
    ]
    lines = []
    for i in range(min(MOST_IMAGES, len(details.images))):
        name = class_name(result, int(details.labels[i]))
        line = [Tile(images.picture(details.images[i]), f"test image of class {name}", name)]
        for layer, shown in zip(layers, channels, strict=True):
            line.append(_tile(result, row, layer, i, shown, name))
        lines.append(tuple(line))
    return SpikeMaps(tuple(layer.layer for layer in layers), tuple(lines))


def confused_tiles(result: Result, row: Row, details: Details) -> Sequence[Tile]:
    """The most confidently wrong test images, "label → predicted" and the confidence under each."""
    tiles = []
    pictures = details.confused.get(row.name)
    for i, wrong in enumerate(row.confused):
        label, predicted = class_name(result, wrong.label), class_name(result, wrong.predicted)
        sure = units.percent_text(wrong.confidence)
        alt = f"test image {wrong.index}: {label}, taken for {predicted} with {sure}"
        uri = "" if pictures is None else images.picture(pictures[i])
        tiles.append(Tile(uri, alt, f"{label}\n→ {predicted}", note=sure))
    return tiles


def pictures(result: Result, row: Row, details: Details) -> list[list[Tile]]:
    """A line a test image: as it was shown, what the network made of it, and the true one."""
    found = details.pictures.get(row.name)
    if found is None:
        return []
    lines = []
    for i in range(min(MOST_IMAGES, len(details.images))):
        name = class_name(result, int(details.labels[i]))
        line = []
        for said, made in (("shown", details.shown), (row.name, found)):
            if made is not None:
                db, uri = f"{made.psnr_db[i]:.2f} dB", images.picture(made.images[i])
                line.append(Tile(uri, f"{name}, {said}: {db}", said, note=db))
        true = images.picture(details.images[i])
        lines.append([*line, Tile(true, f"{name}, the true image", name, note="true")])
    return lines


def class_name(result: Result, label: int) -> str:
    """The name of a class, or its number where it has none."""
    classes = result.data.classes
    return classes[label] if 0 <= label < len(classes) else str(label)


def _tile(
    result: Result, row: Row, layer: LayerSpikes, i: int, channels: list[int], name: str
) -> Tile:
    spikes, tone = layer.spikes[i], tone_of(result, row)
    rate = float(spikes.mean(dtype=np.float64)) / row.steps
    caption = units.percent_text(rate)
    what = f"spikes of layer {layer.layer} on the image of class {name}, {caption} fire"
    if spikes.ndim == 1:
        return Tile(images.strip(spikes, tone), what, caption)
    return Tile(
        images.spike_counts(spikes, tone),
        what,
        caption,
        images.single_channels(spikes, channels, tone),
        f"channels {', '.join(map(str, channels))} of layer {layer.layer} alone",
    )
