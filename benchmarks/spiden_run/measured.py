"""Trained networks on whole photographs that none of them has seen."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from s3nn.data import normalise
from s3nn.data.photographs import TEST, photograph
from s3nn.energy import PRICE_LISTS, count, price
from s3nn.experiment.denoise import TILE, answer_in_tiles
from s3nn.experiment.judging import psnr_db, ssim
from s3nn.experiment.trained import Trained
from s3nn.tasks import Pictures, Posed

CROP = 128  # pixels a side of what is drawn, from the middle of a photograph


@dataclass(frozen=True)
class Seen:
    """Crops of a photograph: (1, H, W) in 0..1."""

    shown: Tensor
    cleaned: Tensor
    true: Tensor


def measured(trained: Trained) -> tuple[dict[str, Any], list[Seen]]:
    """PSNR and SSIM, means over the photographs, and operations and energy a pixel.

    Operations are counted on the crops from the middle, as one batch: whole photographs have
    different sizes.  The noise is that of every evaluation.
    """
    task = trained.task
    assert isinstance(task, Pictures)
    clean = [normalise(photograph(n)[None], trained.mean, trained.std) for n in TEST]
    batches = [(x, torch.zeros(1, dtype=torch.int64)) for x in clean]
    found: dict[str, list[float]] = {"psnr_db": [], "ssim": [], "noisy_psnr_db": []}
    seen = []
    for shown, wanted in Posed(batches, task):
        with torch.inference_mode():
            answer = answer_in_tiles(trained.network, shown, TILE)
        noisy, true = task.pixels(shown), task.says(shown, wanted)
        cleaned = task.says(shown, answer)
        found["psnr_db"].append(float(psnr_db(cleaned, true)))
        found["ssim"].append(float(ssim(cleaned, true)))
        found["noisy_psnr_db"].append(float(psnr_db(noisy, true)))
        seen.append(Seen(*(middle(picture)[0] for picture in (noisy, cleaned, true))))
    crops = torch.cat([middle(shown) for shown, _ in Posed(batches, task)])
    counts = count(trained.network, [crops])
    pixels = counts.samples * CROP**2
    means = {name: fmean(values) for name, values in found.items()}
    return {
        **means,
        "photographs": {
            name: {key: values[i] for key, values in found.items()} for i, name in enumerate(TEST)
        },
        "firing_rate": counts.firing_rate,
        "macs_a_pixel": counts.macs / pixels,
        "acs_a_pixel": counts.acs / pixels,
        "spikes_a_pixel": counts.spikes / pixels,
        "parameters": counts.parameters,
        "energy_pj_a_pixel": {
            key: price(counts, prices).total_pj / CROP**2 for key, prices in PRICE_LISTS.items()
        },
    }, seen


def middle(picture: Tensor) -> Tensor:
    """The crop in the middle of a picture (..., H, W)."""
    top, left = ((size - CROP) // 2 for size in picture.shape[-2:])
    return picture[..., top : top + CROP, left : left + CROP]
