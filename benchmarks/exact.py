"""Compiled networks against the integer reference: every model, bit width and test image.

    python benchmarks/exact.py

Each architecture of the registry is trained for one epoch, narrow, on Fashion-MNIST and on digits
(where it takes images of that size), quantised to 8, 6, 4 and 2 bits, compiled, and asked for the
logits of every test image; plain numpy integers give the expected ones.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.errors import UsageError
from s3nn.experiment.compiled import prepare_trained
from s3nn.experiment.train import train
from s3nn.experiment.trained import Trained, open_run
from s3nn.files import write_text
from s3nn.registry import MODELS
from s3nn.versions import host, versions

PIECE = 500  # images that the reference takes at a time


@dataclass(frozen=True)
class Flags:
    """Count the logits of compiled networks that differ from the integer reference's."""

    data: tuple[str, ...] = ("digits", "fashion_mnist")
    models: tuple[str, ...] = tuple(MODELS.names())
    bits: tuple[int, ...] = (8, 6, 4, 2)
    width: float = 0.125
    images: int | None = None
    """Test images of each data set (default: all)."""
    out: Path = Path("results/exact")
    runs: Path = Path("runs")


def trained(model: str, data: str, flags: Flags) -> Trained | str:
    """The network, or why there is none."""
    folder = flags.runs / "exact" / data / model
    run = Run(
        recipe=f"exact_{model}",
        data=Data(name=data, batch=64 if data == "digits" else 128),
        model=Model(name=model, width=flags.width),
        optim=Optim(lr=0.05),
        fit=Fit(epochs=20 if data == "digits" else 1, threads=1),
    )
    try:
        train(run, folder, progress=False)
    except UsageError as error:
        return str(error)
    return open_run(folder)


def compare(network: Trained, bits: int, flags: Flags) -> dict[str, Any]:
    compilation = prepare_trained(network, bits=bits, vectors=False)
    test = network.data().test
    images = test.images[: flags.images].numpy()
    program = compilation.program()
    apart = wrong = 0
    for first in range(0, len(images), PIECE):
        piece = images[first : first + PIECE]
        expected = compilation.quantised.integer.run(piece)
        found = program(piece)
        apart += int((found != expected).sum())
        labels = test.labels[first : first + len(piece)].numpy()
        wrong += int((expected.argmax(1) != labels).sum())
    return {
        "bits": bits,
        "images": len(images),
        "logits_apart": apart,
        "accuracy": 1 - wrong / len(images),
        "firing_rate": compilation.firing_rate,
    }


def main(flags: Flags) -> int:
    rows: list[dict[str, Any]] = []
    left_out: list[dict[str, str]] = []
    for data in flags.data:
        for model in flags.models:
            network = trained(model, data, flags)
            if isinstance(network, str):
                left_out.append({"data": data, "model": model, "why": network})
                continue
            for bits in flags.bits:
                row = {"data": data, "model": model, **compare(network, bits, flags)}
                rows.append(row)
                text = f"{data} {model} {bits} bits: {row['logits_apart']} logits apart"
                print(f"{text}, {100 * row['accuracy']:.1f} %", file=sys.stderr, flush=True)
    apart = sum(row["logits_apart"] for row in rows)
    show = {
        "claim": "logits of compiled networks that differ from the integer reference's",
        "value": apart,
        "bar": 0,
        "holds": apart == 0 and bool(rows),
    }
    tree = {
        "command": f"python benchmarks/exact.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"every model at a width of {flags.width:g}",
        "versions": versions(),
        "host": host(1, None),
        "exact": rows,
        "left_out": left_out,
        "shows": [show],
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {apart} (0)")
    return 0 if show["holds"] else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(tyro.cli(Flags)))
