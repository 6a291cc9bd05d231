"""One row from its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from statistics import fmean

from s3nn.report import measure
from s3nn.report.schema import Curves, ImageScores, Layer, Measure, Row


def combine(rows: Sequence[Row]) -> Row:
    """The row of several seeds: means, intervals, and curves side by side.

    What is drawn and not averaged (histograms, confusions) is the first seed's.
    """
    first = rows[0]
    return replace(
        first,
        accuracy=_over([r.accuracy for r in rows]),
        validation_accuracy=_over([r.validation_accuracy for r in rows]),
        images=_images([r.images for r in rows]),
        firing_rate=None if first.firing_rate is None else fmean(r.firing_rate or 0 for r in rows),
        spikes_per_inference=fmean(r.spikes_per_inference for r in rows),
        macs=fmean(r.macs for r in rows),
        acs=fmean(r.acs for r in rows),
        adds=fmean(r.adds for r in rows),
        neuron_updates=fmean(r.neuron_updates for r in rows),
        energy_pj=_mean_dict([r.energy_pj for r in rows]),
        train_s_per_epoch=fmean(r.train_s_per_epoch for r in rows),
        peak_mem_bytes=max(r.peak_mem_bytes for r in rows),
        layers=tuple(_layer(layers) for layers in zip(*(r.layers for r in rows), strict=True)),
        curves=Curves(
            **{
                f.name: tuple(seed for r in rows for seed in getattr(r.curves, f.name))
                for f in fields(Curves)
            }
        ),
    )


def _over(measures: Sequence[Measure | None]) -> Measure | None:
    """The measure over the seeds of all, None where there is none to a row."""
    there = [m for m in measures if m is not None]
    return _joined(there) if there else None


def _joined(measures: Sequence[Measure]) -> Measure:
    return measure([value for m in measures for value in m.per_seed])


def _images(scores: Sequence[ImageScores | None]) -> ImageScores | None:
    there = [s for s in scores if s is not None]
    if not there:
        return None
    return replace(
        there[0],
        psnr_db=_joined([s.psnr_db for s in there]),
        ssim=_joined([s.ssim for s in there]),
        validation_psnr_db=_joined([s.validation_psnr_db for s in there]),
    )


def _mean_dict(dicts: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: fmean(d[key] for d in dicts) for key in dicts[0]}


def _layer(layers: Sequence[Layer]) -> Layer:
    first = layers[0]
    rate = None if first.firing_rate is None else fmean(x.firing_rate or 0 for x in layers)
    return replace(
        first,
        firing_rate=rate,
        macs=fmean(x.macs for x in layers),
        acs=fmean(x.acs for x in layers),
        adds=fmean(x.adds for x in layers),
        neuron_updates=fmean(x.neuron_updates for x in layers),
        energy_pj=_mean_dict([x.energy_pj for x in layers]),
    )
