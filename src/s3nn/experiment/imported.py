"""A NIR file as a run folder, which commands open like one that was trained here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from s3nn.config import Data, Run
from s3nn.data import Batches, Split
from s3nn.energy import Counts, count
from s3nn.errors import RunFolderError, UsageError
from s3nn.experiment.train import COUNTS
from s3nn.experiment.trained import Trained, load_data, open_run
from s3nn.export import Pixels
from s3nn.export.nir import DT, Nir
from s3nn.files import new_folder, write_bytes, write_text
from s3nn.graph.network import GraphNetwork
from s3nn.training.folder import IMPORTED, data_description, write_run
from s3nn.versions import versions


@dataclass(frozen=True)
class Imported:
    """A network that was imported, opened again from its folder, and what it measured."""

    trained: Trained
    accuracy: float
    counts: Counts
    images: int


def import_run(
    path: Path,
    out: Path,
    data: Data,
    *,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    raw: bool | None = None,
    dt: float = DT,
) -> Imported:
    """Read a NIR file, measure it on the test split of ``data``, and make the run folder ``out``.

    The folder holds the file (network.nir), run.json and the counts of operations; it is opened by
    ``open_run``.  Input is raw pixels where the file or ``raw`` says so, else what ``mean`` and
    ``std`` say: (x / 255 - mean) / std.
    An ``out`` that is there and not empty is an error.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(f"{out} exists and is not empty: choose another --out")
    run = Run(recipe="imported", data=data)
    loaded = load_data(run)
    spec = loaded.spec
    pixels = Pixels(tuple(spec.shape), mean, std, raw)
    graph = Nir.read(path, pixels, dt)
    outputs = graph.specs[graph.output.name].channels
    if outputs != len(spec.classes):
        raise UsageError(
            f"{path} has {outputs} outputs, but {spec.name} has {len(spec.classes)} classes: name "
            "the data that it was trained on"
        )
    network = GraphNetwork(graph)
    described = data_description(loaded) | {
        "mean": list(network.mean),
        "std": list(network.std),
        "imported": {"mean": list(mean), "std": list(std), "raw": raw, "dt": dt},
    }
    counts = count(network, _batches(loaded.test, network))
    with new_folder(out) as folder:
        write_bytes(folder / IMPORTED, path.read_bytes())
        write_text(folder / COUNTS, json.dumps(counts.to_json(), indent=1) + "\n")
        write_run(folder, run, described, versions())
    trained = open_run(out)
    return Imported(trained, trained.accuracy(loaded.test), counts, len(loaded.test))


def _batches(split: Split, network: GraphNetwork) -> Batches:
    return Batches(split, batch_size=500, mean=network.mean, std=network.std)
