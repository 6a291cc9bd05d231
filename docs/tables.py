"""Rewrite the tables of README.md and docs/*.md from results/*/result.json.

A block between ``<!-- table: results/STUDY -->`` and ``<!-- end -->`` is the table of that study.

    python docs/tables.py            rewrite
    python docs/tables.py --check    exit with 1 if a table is not what its file says
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s3nn.report import units
from s3nn.report.schema import Measure, Result
from s3nn.report.scores import score_of

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- table: (?P<study>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(study: str) -> str:
    tree = json.loads((ROOT / study / "result.json").read_text(encoding="utf-8"))
    make = next((make for key, make in TABLES.items() if key in tree), None)
    body = make(tree) if make is not None else rows(Result.from_json(tree))
    return f"{body.strip()}\n\n`{tree['command']}`\n"


def rows(result: Result) -> str:
    """The columns of a comparison that fit a page; report.md has them all."""
    prices = next(iter(result.price_lists))
    full = next((row.energy_pj[prices] for row in result.rows if not row.spikes), None)
    score = score_of(result)
    head = ["row", "steps", score.name, "fires", "MACs", "ACs", f"energy ({prices})", "weights"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for row in result.rows:
        energy = units.energy_text(row.energy_pj[prices])
        if full is not None and row.energy_pj[prices] != full:
            energy += f" ({units.percent_text(row.energy_pj[prices] / full)})"
        cells = [
            *(row.name, str(row.steps), score.text(row.score)),
            *(units.percent_text(row.firing_rate), units.count_text(row.macs)),
            *(units.count_text(row.acs), energy, units.bytes_text(row.weight_bits / 8)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def steps(tree: dict[str, Any]) -> str:
    """The columns of a training-step benchmark that fit a page, with the most threads."""
    section, kept = tree["sections"][-1], {row["name"]: row for row in tree["memory"]}
    lines = ["| row | ms a step | of ReLU's | activations, of ReLU's |", "|---|---:|---:|---:|"]
    for row in section["rows"]:
        memory = kept[row["name"]]["activations_to_relu"]
        time = f"{row['median_ms']:.0f} | {row['ratio_to_relu']:.2f}"
        lines.append(f"| {row['name']} | {time} | {memory:.2f} |")
    what = f"{tree['what'][0].upper()}{tree['what'][1:]}; {section['threads']} threads"
    return "\n".join([f"{what}, {tree['host']['cpu']}.", "", *lines])


def engines(tree: dict[str, Any]) -> str:
    """Latencies of an inference benchmark on one thread, batch 1."""
    alone = [row for row in tree["rows"] if row["threads"] == 1 and row["batch"] == 1]
    lines = ["| engine | µs an image | of the fastest int8 | accuracy |", "|---|---:|---:|---:|"]
    for row in sorted(alone, key=lambda row: row["latency_us"]):
        part = row["ratio_to_fastest_int8"]
        of_int8 = "–" if part is None else f"{part:.2f}"
        accuracy = f"{100 * row['accuracy']:.2f} %"
        lines.append(f"| {row['engine']} | {row['latency_us']:.0f} | {of_int8} | {accuracy} |")
    what = f"{tree['what'][0].upper()}{tree['what'][1:]}; batch 1, one thread"
    return "\n".join([f"{what}, {tree['host']['cpu']}.", "", *lines])


def boards(tree: dict[str, Any]) -> str:
    """What a network takes on each microcontroller."""
    heads = ["board", "engine", "instructions", "flash, KiB", "RAM, KiB", "accuracy", "exact"]
    lines = [f"| {' | '.join(heads)} |", "|---|---" + "|---:" * (len(heads) - 2) + "|"]
    for row in tree["rows"]:
        sizes = f"{row['flash_bytes'] / 1024:.1f} | {row['ram_bytes'] / 1024:.1f}"
        exact = "yes" if row["exact"] else "no"
        lines.append(
            f"| {row['board']} | {row['engine']} | {row['instructions']:,} | {sizes} | "
            f"{100 * row['accuracy']:.2f} % | {exact} |"
        )
    what = f"{tree['what'][0].upper()}{tree['what'][1:]}; {tree['golden_images']} golden images."
    return "\n".join([what, "", *lines])


def windows(tree: dict[str, Any]) -> str:
    """Memory of a training step against the time steps."""
    lines = ["| time steps | all at once | recomputed |", "|---:|---:|---:|"]
    for row in tree["windows"]:
        ratios = (row["whole_to_one_step"], row["recomputed_to_one_step"])
        lines.append(f"| {row['steps']} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    what = f"{tree['what'][0].upper()}{tree['what'][1:]}; memory, of one step's."
    return "\n".join([what, "", *lines])


def parents(tree: dict[str, Any]) -> str:
    """The largest differences from authors' code, over seeds."""
    lines = ["| neuron | outputs apart | gradients apart |", "|---|---:|---:|"]
    for neuron in dict.fromkeys(row["neuron"] for row in tree["parents"]):
        rows = [row for row in tree["parents"] if row["neuron"] == neuron]
        most = [max(row[name] for row in rows) for name in ("outputs", "gradients")]
        lines.append(f"| {neuron} | {most[0]:.1g} | {most[1]:.1g} |")
    what = "Largest differences, of the largest value."
    return "\n".join([what, "", *lines])


def ablation(tree: dict[str, Any]) -> str:
    """Accuracy and firing rate of every cell of an ablation."""
    lines = ["| cell | accuracy | points over s3 | fires |", "|---|---:|---:|---:|"]
    for row in tree["rows"]:
        over = "–" if row["over_s3"] is None else _spread(row["over_s3"], 1)
        accuracy, rate = (_spread(row[name], 100) for name in ("accuracy", "firing_rate"))
        lines.append(f"| {row['name']} | {accuracy} % | {over} | {rate} % |")
    what = f"{tree['what'][0].upper()}{tree['what'][1:]}, {len(tree['seeds'])} seeds."
    return "\n".join([what, "", *lines])


def _spread(measured: dict[str, Any], scale: float) -> str:
    half = measured["ci95"]
    around = "" if half is None else f" ± {scale * half:.2f}"
    return f"{scale * measured['mean']:.2f}{around}"


def few_labels(tree: dict[str, Any]) -> str:
    """Test accuracy of each row with few labels, and the points it gains over its plain one."""
    rows = {(row["name"], row["labels"]): row for row in tree["few_labels"]}
    gained = {(gain["row"], gain["labels"]): gain for gain in tree["gains"]}
    names, labels = (list(dict.fromkeys(column)) for column in zip(*rows, strict=True))
    heads = ["row", "steps", *(h for n in labels for h in (f"{n:,} labels", "gain, points"))]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for name in names:
        steps = next(str(row["steps"]) for row in rows.values() if row["name"] == name)
        cells = [name, steps]
        for number in labels:
            row, gain = rows.get((name, number)), gained.get((name, number))
            cells.append("–" if row is None else units.accuracy_text(Measure(**row["accuracy"])))
            cells.append("–" if gain is None else _points(gain))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([f"{tree['what'][0].upper()}{tree['what'][1:]}.", "", *lines])


def _points(gain: dict[str, Any]) -> str:
    half = "" if gain["ci95"] is None else f" ± {gain['ci95']:.2f}"
    return units.signed_points(gain["mean"] / 100) + half


def exact(tree: dict[str, Any]) -> str:
    """Differing logits of compiled networks, a line a network and data set."""
    bits = list(dict.fromkeys(row["bits"] for row in tree["exact"]))
    heads = ["data", "model", "test images", *(f"{b} bits" for b in bits)]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    found = {(row["data"], row["model"], row["bits"]): row for row in tree["exact"]}
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in tree["exact"]):
        row = found[data, model, bits[0]]
        cells = [data, model, f"{row['images']:,}"]
        cells += [str(found[data, model, b]["logits_apart"]) for b in bits]
        lines.append(f"| {' | '.join(cells)} |")
    what = f"Logits that differ, {tree['what']}."
    return "\n".join([what, "", *lines])


def counters(tree: dict[str, Any]) -> str:
    """Operations an inference as each counter has them."""
    heads = ["model", "row", "ACs", "NeuroBench", "SpikingJelly", "syops"]
    heads += ["MACs", "NeuroBench", "SpikingJelly", "syops"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for row in tree["counters"]:
        cells = [row["model"], row["row"]]
        for kind in ("acs", "macs"):
            mine = row["ours"][kind] / row["samples"]
            cells.append(f"{mine:,.0f}")
            for name in ("neurobench", "spikingjelly", "syops"):
                apart = row["theirs"][name][kind] - mine
                cells.append("same" if abs(apart) < 1e-6 else f"{apart:+,.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    what = f"Operations an inference, and what others count beyond ours; {tree['what']}."
    return "\n".join([what, "", *lines])


def budgets(tree: dict[str, Any]) -> str:
    """Measured energy of networks that were trained within budgets."""
    lines = ["| recipe | seed | budget | takes | of it | accuracy | fires |"]
    lines.append("|---|" + "---:|" * 6)
    for cell in tree["budgets"]:
        cells = [
            *(cell["recipe"], str(cell["seed"]), units.energy_text(cell["budget_pj"])),
            *(units.energy_text(cell["energy_pj"]), units.percent_text(cell["share_of_budget"])),
            *(f"{100 * cell['accuracy']:.2f} %", units.percent_text(cell["firing_rate"])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    what = f"Energy an inference on the test split, by {tree['prices']}."
    return "\n".join([what, "", *lines])


def on_chips(tree: dict[str, Any]) -> str:
    """Test accuracy in software, on chips and with chips in the loop."""
    names = ("ideal", "deployed", "longer", "in the loop", "moved")
    lines = [f"| network | steps | {' | '.join(names)} |", "|---|---:" + "|---:" * len(names) + "|"]
    for network in dict.fromkeys(row["network"] for row in tree["on_chips"]):
        rows = {row["name"]: row for row in tree["on_chips"] if row["network"] == network}
        cells = [units.accuracy_text(Measure(**rows[name]["accuracy"])) for name in names]
        lines.append(f"| {network} | {rows['ideal']['steps']} | {' | '.join(cells)} |")
    return "\n".join([f"{tree['what'][0].upper()}{tree['what'][1:]}.", "", *lines])


def denoising(tree: dict[str, Any]) -> str:
    """PSNR, SSIM and energy of every row at every level of noise."""
    prices, levels = tree["prices"], tree["sigmas"]
    found = {(row["name"], row["sigma"]): row for row in tree["denoising"]}
    names, first = list(dict.fromkeys(name for name, _ in found)), levels[0]
    of_sigma = [f"sigma {sigma:g}: PSNR, SSIM" for sigma in levels]
    heads = ["row", "steps", *of_sigma, "fires", f"energy a pixel ({prices})"]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    noisy = next(iter(found.values()))["name"]
    shown = [f"{found[noisy, sigma]['noisy_psnr_db']:.2f} dB" for sigma in levels]
    lines.append(f"| (the noisy picture) | – | {' | '.join(shown)} | – | – |")
    for name in names:
        scores = [
            f"{found[name, sigma]['psnr_db']:.2f} dB, {found[name, sigma]['ssim']:.3f}"
            for sigma in levels
        ]
        row = found[name, first]
        energy = units.energy_text(row["energy_pj_a_pixel"][prices])
        cells = [name, str(row["steps"]), *scores, units.percent_text(row["firing_rate"]), energy]
        lines.append(f"| {' | '.join(cells)} |")
    stops = [
        f"{stop['prices']} {stop['steps']:.1f}"
        for stop in tree["stops"]
        if stop["steps"] is not None
    ]
    what = f"Means over whole photographs; firing rate and energy at sigma {first:g}."
    over = f"Time steps at which spikes cost what ReLU does: {', '.join(stops)}."
    return "\n".join([what, "", *lines, "", over])


def conversion(tree: dict[str, Any]) -> str:
    """Test scores of converted networks at some T, and the steps until they are near."""
    at = tree["conversion"][0]["at"]
    heads = ["network", "answers by", *(f"T = {t}" for t in at)]
    heads += ["T until near", "spikes by then", f"energy at T = {at[-1]}"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for row in tree["conversion"]:
        charge = "pre-charged" if row["precharge"] else "from rest"
        by = "the steps behind t_d" if row["delayed"] else "all steps"
        near = f"{sum(row['near']) / len(row['near']):.1f}"
        if row["never_near"]:
            near = f"{row['never_near']} of {len(row['near'])} never"
        spikes = units.count_text(sum(row["spikes_near"]) / len(row["spikes_near"]))
        cells = [f"{row['parent']}, {charge}", by]
        scale = 100 if row["unit"] == "%" else 1
        cells += [f"{_spread(score, scale)} {row['unit']}" for score in row["scores_at"]]
        cells += [near, spikes, units.energy_text(row["energy_pj"][tree["prices"]][-1])]
        lines.append(f"| {' | '.join(cells)} |")
    for name, line in tree["lines"].items():
        energy = units.energy_text(line["energy_pj"][tree["prices"]])
        of_images = name.startswith("autoencoder")
        alone = f"{line['score']:.2f} dB" if of_images else f"{100 * line['score']:.2f} %"
        spikes = units.count_text(line["spikes"]) if line["spikes"] else "–"
        cells = [f"{name}, not converted", f"one step: {alone}", *["–"] * len(at), "–", spikes]
        lines.append(f"| {' | '.join([*cells, energy])} |")
    near = "near: within a point, or half a dB, of the network that was converted, and staying"
    what = f"Test accuracy, or PSNR, of {tree['what']}; {near}; energy by {tree['prices']}."
    return "\n".join([what, "", *lines])


def arrived(tree: dict[str, Any]) -> str:
    """What came of each exported file in each tool that reads it."""
    heads = ["network", "numbers", "file", "tool", "images", "flips", "of neurons", "logits apart"]
    lines = [f"| {' | '.join(heads)} | same class |", "|---|---|---|---" + "|---:" * 5 + "|"]
    for row in tree["conformance"]:
        if row["not_run"] is not None:
            continue
        neurons = sum(row["neurons"].values())
        spikes = (str(row["flipped"]), f"{neurons:,}") if neurons else ("–", "–")
        cells = [
            row["network"],
            row["form"],
            row["file"],
            row["tool"],
            f"{row['images']:,}",
            *spikes,
        ]
        cells += [f"{row['logit_error']:.1g}", f"{100 * row['agreement']:.2f} %"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([f"{tree['what'][0].upper()}{tree['what'][1:]}.", "", *lines])


def spike_times(tree: dict[str, Any]) -> str:
    """The largest differences of layers of spike times from their authors' code, over seeds."""
    heads = ["layer", "kernel", "spike times", "weight gradients", "time gradients"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|---:|---:|---:|"]
    names = dict.fromkeys((row["layer"], row["kernel"]) for row in tree["spike_times"])
    for layer, kernel in names:
        rows = [r for r in tree["spike_times"] if (r["layer"], r["kernel"]) == (layer, kernel)]
        cells = [layer, kernel]
        for name in ("times_apart", "weight_gradients", "time_gradients"):
            known = [row[name] for row in rows if row[name] is not None]
            cells.append(f"{max(known):.1g}" if known else "–")
        lines.append(f"| {' | '.join(cells)} |")
    what = (
        "Share of spike times that differ; largest differences of gradients, of the largest value."
    )
    return "\n".join([what, "", *lines])


def races(tree: dict[str, Any]) -> str:
    """Accuracy and spikes of networks whose neurons fire once, and of their controls."""
    heads = ["data", "row", "steps", "epochs", "accuracy", "spikes", "a neuron", "tied", "silent"]
    lines = [f"| {' | '.join([*heads, 'energy'])} |", "|---|---|" + "---:|" * (len(heads) - 1)]
    for row in tree["races"]:
        shares = (row[name] for name in ("spikes_a_neuron", "tied", "silent"))
        cells = [
            *(row["data"], row["row"], str(row["steps"]), str(row["epochs"])),
            *(units.accuracy_text(Measure(**row["accuracy"])), f"{row['spikes']:.0f}"),
            *("–" if share is None else f"{share:.3f}" for share in shares),
            units.energy_text(row["energy_pj"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    what = f"{tree['what'][0].upper()}{tree['what'][1:]}; energy by {tree['prices']}."
    return "\n".join([what, "", *lines])


# How the result of a study is written down, by a name that only its tree has at the top.
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "sweep": engines,
    "tools": boards,
    "rounds": steps,
    "windows": windows,
    "parents": parents,
    "spike_times": spike_times,
    "races": races,
    "groups": ablation,
    "few_labels": few_labels,
    "conversion": conversion,
    "budgets": budgets,
    "denoising": denoising,
    "counters": counters,
    "exact": exact,
    "on_chips": on_chips,
    "conformance": arrived,
}


def rewritten(text: str) -> str:
    return BLOCK.sub(lambda m: f"{m[1]}{table(m['study'])}{m[3]}", text)


def main(check: bool) -> int:
    stale = []
    studies = sorted((ROOT / "results").rglob("README.md"))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *studies]:
        text = path.read_text(encoding="utf-8")
        fresh = rewritten(text)
        if fresh != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(fresh, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'is stale: run make docs' if check else 'rewritten'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
