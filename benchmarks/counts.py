"""Our counts beside NeuroBench's, SpikingJelly's and syops', with loops over everything as judge.

    python benchmarks/counts.py

Needs the extra s3nn[neurobench] (`make bench` installs it).  Networks are trained for an epoch,
narrow, and counted in double precision on test images.  What the differences are: docs/counts.md.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import tyro

from counts_run.judged import judge
from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.data.batches import normalise
from s3nn.experiment.train import train
from s3nn.experiment.trained import Trained, open_run
from s3nn.files import write_text
from s3nn.rows import with_row
from s3nn.versions import host, versions

OTHERS = ("neurobench", "spikingjelly", "syops")
# Where a zero weight may be, which NeuroBench takes for no synapse.
ZERO_WEIGHTS = "-int"


# Its table is filled by docs/tables.py.
README = """\
# Counts beside NeuroBench's, SpikingJelly's and syops'

<!-- table: results/counts -->
<!-- end -->

Columns of a library say by how many operations an inference it differs from the column of ours
before them. Each difference is explained in [docs/counts.md](../../docs/counts.md); a loop over
every accumulation of an image (`one_image` in result.json) is the judge.
"""


@dataclass(frozen=True)
class Flags:
    """Count networks with everybody's counters."""

    data: str = "fashion_mnist"
    models: tuple[str, ...] = ("mlp", "cnn7", "resnet18")
    rows: tuple[str, ...] = ("relu", "s3nn", "s3nn-int4", "bnn", "lif-t4")
    width: float = 0.125
    epochs: int = 1
    images: int = 32
    """Test images that are counted."""
    batch: int = 16
    out: Path = Path("results/counts")
    runs: Path = Path("runs/counts")


def trained(model: str, row: str, flags: Flags) -> Trained:
    run = Run(
        recipe=f"counts_{model}",
        data=Data(name=flags.data),
        model=Model(name=model, width=flags.width),
        optim=Optim(lr=0.05),
        fit=Fit(epochs=flags.epochs, threads=1),
    )
    folder = flags.runs / flags.data / model / row
    train(with_row(run, row), folder, progress=False)
    return open_run(folder)


def shows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims: a difference of nothing wherever two definitions agree."""
    whole = [row for row in rows if ZERO_WEIGHTS not in row["row"]]
    spiking = [row for row in rows if row["ours"]["firing_rate"] is not None]
    binary = [row for row in rows if row["row"] != "bnn"]
    images = [row["one_image"] for row in rows]

    def most(chosen: list[dict[str, Any]], *names: str) -> float:
        return max((abs(row["apart"][name]) for row in chosen for name in names), default=0)

    found = [
        (
            "operations of an image that s3nn and loops count differently",
            max(abs(i["ours"] - i["loops"]) for i in images),
            0,
        ),
        (
            "accumulations (ACs, MACs of non-zero inputs, dense) that s3nn and NeuroBench count "
            "differently, networks without zero weights",
            most(whole, *(f"neurobench_{name}" for name in ("acs", "macs", "dense"))),
            0,
        ),
        (
            "operations of an image that NeuroBench and loops that leave out zero weights count "
            "differently, all networks",
            max(abs(i["neurobench"] - i["loops_without_zero_weights"]) for i in images),
            0,
        ),
        (
            "largest difference of NeuroBench's activation sparsity from 1 - firing rate",
            most(spiking, "neurobench_sparsity"),
            1e-12,
        ),
        (
            "bytes by which NeuroBench's footprint is not that of all parameters and buffers",
            max(
                abs(r["theirs"]["neurobench"]["footprint_bytes"] - r["footprint_bytes"])
                for r in rows
            ),
            0,
        ),
        (
            "ACs that s3nn and SpikingJelly's SynOpCounter count differently, networks of spikes",
            most(binary, "spikingjelly_acs"),
            0,
        ),
    ]
    return [
        {"claim": claim, "value": value, "bar": bar, "holds": value <= bar}
        for claim, value, bar in found
    ]


def main(flags: Flags) -> int:
    rows: list[dict[str, Any]] = []
    for model in flags.models:
        for row in flags.rows:
            network = trained(model, row, flags)
            images = network.data().test.images[: flags.images]
            pixels = normalise(images, network.mean, network.std).double()
            found = judge(network.network.double(), pixels.split(flags.batch))
            rows.append({"model": model, "row": row, **found})
            print(f"{model} {row}: {found['apart']}")
    claims = shows(rows)
    tree = {
        "command": f"python benchmarks/counts.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"{flags.images} test images of {flags.data}, every model at a width of "
        f"{flags.width:g}",
        "versions": versions() | {name: version(name) for name in OTHERS},
        "host": host(1, None),
        "counters": rows,
        "shows": claims,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    if not (flags.out / "README.md").exists():
        write_text(flags.out / "README.md", README)
    for show in claims:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']}")
    return 0 if all(show["holds"] for show in claims) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(tyro.cli(Flags)))
