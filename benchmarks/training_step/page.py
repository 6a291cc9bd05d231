"""results/training-step/README.md, from the measurements that lie beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEAD = """# What a training step costs

Written by `benchmarks/training.py` from the measurements in the folders beside it.

One whole step (forward, loss, backward, update, and the reset where a library has one) of the same
network for each row in turn, round after round, so that a noisy machine disturbs them alike;
medians over the rounds, and ratios within a round. Every row has the same layers, the same weights,
the same batch and the same optimiser: only the neurons differ. s3nn is the plain network, s3nn-lean
trains inside `s3nn.lean.lean`, s3nn-compiled with `compiled=True`, s3nn-events
with `events=True` besides. The rows of the other libraries
are built as their documentation says, in `benchmarks/training_step/peers`; -t1 and -if run one time
step, -t4 four.

Before anything is timed each row is held against the network of ours with the same equation: the
spikes that its layers read and, where the equations agree that far, its gradients. Memory is
counted, not sampled: activations are the bytes alive between forward and backward beside parameters
and input, the peak the most alive at any time in the step. The machine is shared; only ratios
within a run mean anything.
"""


def write_page(root: Path) -> str:
    """The text of the page for every ``root``/NAME/result.json."""
    paths = sorted(root.glob("*/result.json"))
    trees = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return "\n".join([HEAD, *(measurement(name, tree) for name, tree in trees.items())])


def measurement(name: str, tree: dict[str, Any]) -> str:
    """One measurement: its command, table, figure and two paragraphs."""
    parts = [
        f"## {name}",
        f"    {tree['command']}",
        f"{tree['what'][0].upper()}{tree['what'][1:]}; {tree['rounds']} rounds; {_host(tree)}.",
        table(tree),
        f"![Time and activation memory of every row]({name}/step.svg)",
        _claims(tree, True),
        _claims(tree, False),
        _apart(tree),
        _not_run(tree),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(tree: dict[str, Any]) -> str:
    """A line a row: time and its ratio for each number of threads, memory."""
    sections, memory = tree["sections"], {row["name"]: row for row in tree["memory"]}
    head = ["row"]
    for section in sections:
        threads = f"{section['threads']} thread{'s' * (section['threads'] > 1)}"
        head += [f"ms, {threads}", "of ReLU's", "images/s"]
    head += ["activations, MiB", "of ReLU's", "peak, MiB", "of ReLU's"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for rows in zip(*(section["rows"] for section in sections), strict=True):
        kept = memory[rows[0]["name"]]
        cells = [rows[0]["name"]]
        for row in rows:
            cells += [f"{row['median_ms']:.4g}", f"{row['ratio_to_relu']:.2f}"]
            cells += [f"{row['samples_per_s']:.4g}"]
        cells += [_mib(kept["activation_bytes"]), f"{kept['activations_to_relu']:.2f}"]
        cells += [_mib(kept["peak_bytes"]), f"{kept['peak_to_relu']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _claims(tree: dict[str, Any], holds: bool) -> str:
    """One paragraph: what holds, or what does not, with its number."""
    shown = [show for show in tree["shows"] if show["holds"] == holds]
    if not shown:
        return ""
    listed = "; ".join(f"{show['claim']} ({show['value']:.2f})" for show in shown)
    return f"**{'What holds' if holds else 'What does not hold'}**, {_at(tree)}: {listed}."


def _at(tree: dict[str, Any]) -> str:
    threads = tree["sections"][-1]["threads"]
    return tree["host"]["gpu"] or f"on {threads} thread{'s' * (threads > 1)}"


def _apart(tree: dict[str, Any]) -> str:
    """Where a row and its twin among ours are not equal in training, and why."""
    found = [f"{p['row']} ({p['apart']})" for p in tree["parity"] if p["apart"]]
    spikes = sum(p["spikes"] for p in tree["parity"])
    apart = sum(p["spikes_apart"] for p in tree["parity"])
    text = f"Parity: {apart} of {spikes:,} spikes differ between the rows and their twins."
    if found:
        text += f" Held against its twin in evaluation mode only: {'; '.join(found)}."
    return text if tree["parity"] else ""


def _not_run(tree: dict[str, Any]) -> str:
    lines = [
        f"- {row['name']}: {row['reason']}. To run it: {row['remedy']}" for row in tree["not_run"]
    ]
    return "\n".join(["Not run:", "", *lines]) if lines else ""


def _host(tree: dict[str, Any]) -> str:
    host = tree["host"]
    return ", ".join(part for part in (host["gpu"], host["cpu"], f"{host['cores']} cores") if part)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f}"
