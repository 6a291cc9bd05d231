"""Test scores of converted networks at some T, and the steps until they are near."""

from __future__ import annotations

from typing import Any

from s3nn.report import units
from studies._page import page, spread


def table(tree: dict[str, Any]) -> str:
    at = tree["conversion"][0]["at"]
    heads = ["network", "answers by", *(f"T = {t}" for t in at)]
    heads += ["T until near", "spikes by then", f"energy at T = {at[-1]}"]
    lines: list[list[str]] = []
    for row in tree["conversion"]:
        charge = "pre-charged" if row["precharge"] else "from rest"
        by = "the steps behind t_d" if row["delayed"] else "all steps"
        near = f"{sum(row['near']) / len(row['near']):.1f}"
        if row["never_near"]:
            near = f"{row['never_near']} of {len(row['near'])} never"
        spikes = units.count_text(sum(row["spikes_near"]) / len(row["spikes_near"]))
        cells = [f"{row['parent']}, {charge}", by]
        scale = 100 if row["unit"] == "%" else 1
        cells += [f"{spread(score, scale)} {row['unit']}" for score in row["scores_at"]]
        cells += [near, spikes, units.energy_text(row["energy_pj"][tree["prices"]][-1])]
        lines.append(cells)
    for name, line in tree["lines"].items():
        energy = units.energy_text(line["energy_pj"][tree["prices"]])
        of_images = name.startswith("autoencoder")
        alone = f"{line['score']:.2f} dB" if of_images else f"{100 * line['score']:.2f} %"
        spikes = units.count_text(line["spikes"]) if line["spikes"] else "–"
        cells = [f"{name}, not converted", f"one step: {alone}", *["–"] * len(at), "–", spikes]
        lines.append([*cells, energy])
    near = "near: within a point, or half a dB, of the network that was converted, and staying"
    what = f"Test accuracy, or PSNR, of {tree['what']}; {near}; energy by {tree['prices']}."
    return page(what, heads, lines, words=2)
