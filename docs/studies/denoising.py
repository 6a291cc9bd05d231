"""PSNR, SSIM and energy of every row at every level of noise."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from studies._page import page


def table(tree: dict[str, Any]) -> str:
    prices, levels = tree["prices"], tree["sigmas"]
    found = {(row["name"], row["sigma"]): row for row in tree["denoising"]}
    names, first = list(dict.fromkeys(name for name, _ in found)), levels[0]
    of_sigma = [f"sigma {sigma:g}: PSNR, SSIM" for sigma in levels]
    heads = ["row", "steps", *of_sigma, "fires", f"energy a pixel ({prices})"]
    lines: list[list[str]] = []
    noisy = next(iter(found.values()))["name"]
    shown = [f"{found[noisy, sigma]['noisy_psnr_db']:.2f} dB" for sigma in levels]
    lines.append(["(the noisy picture)", "–", *shown, "–", "–"])
    for name in names:
        scores = [
            f"{found[name, sigma]['psnr_db']:.2f} dB, {found[name, sigma]['ssim']:.3f}"
            for sigma in levels
        ]
        row = found[name, first]
        energy = units.energy_text(row["energy_pj_a_pixel"][prices])
        cells = [name, str(row["steps"]), *scores, units.percent_text(row["firing_rate"]), energy]
        lines.append(cells)
    stops = [
        f"{stop['prices']} {stop['steps']:.1f}"
        for stop in tree["stops"]
        if stop["steps"] is not None
    ]
    what = f"Means over whole photographs; firing rate and energy at sigma {first:g}."
    over = f"Time steps at which spikes cost what ReLU does: {', '.join(stops)}."
    return f"{page(what, heads, lines)}\n\n{over}"
