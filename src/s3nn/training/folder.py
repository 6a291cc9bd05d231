"""A run folder: run.json, checkpoints while training, and what training left when it was done.

run.json           the resolved run, its seed, the versions, the data's checksum
metrics.jsonl      one line an epoch
last.ckpt          to resume from; best.ckpt: the best epoch so far
model.safetensors  the weights that validation picked
network.nir        instead of these, a network that was imported
result.json, report.html, report.md, details.npz
conversion.json    of a run that was not trained: what it was converted from, and how
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from s3nn.config import Run
from s3nn.errors import RunFolderError
from s3nn.files import write_bytes, write_text
from s3nn.training.processes import Processes

RUN, WEIGHTS, RESULT, METRICS = "run.json", "model.safetensors", "result.json", "metrics.jsonl"
CONVERSION = "conversion.json"
IMPORTED = "network.nir"


@dataclass(frozen=True)
class Described:
    """What run.json says: the run, and the data and network that it met."""

    run: Run
    data: dict[str, Any]
    versions: dict[str, Any]


def claim(folder: Path, run: Run) -> bool:
    """Take ``folder`` for ``run``; True if it holds this very run, begun or finished.

    A folder that holds another run, or anything that is no run, is left alone with an error.  Of
    processes that train together only the first looks: it may be writing while others arrive.
    """
    if Processes.here().rank > 0:
        return (folder / RUN).is_file()
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if not (folder / RUN).is_file():
        raise RunFolderError(
            f"{folder} exists and is no run folder (it has no {RUN}): choose another --out"
        )
    there = describe(folder).run
    if there != run:
        changes = "; ".join(there.differences(run)[:4])
        raise RunFolderError(
            f"{folder} holds another run ({changes}): choose another --out, or delete the folder"
        )
    return True


def write_run(folder: Path, run: Run, data: dict[str, Any], versions: dict[str, Any]) -> None:
    tree = {"run": run.to_json(), "data": data, "versions": versions}
    write_text(folder / RUN, json.dumps(tree, indent=2) + "\n")


def describe(folder: Path) -> Described:
    """Read run.json; anything wrong with it is a ``RunFolderError``."""
    path = folder / RUN if folder.is_dir() else folder
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        run, data, versions = tree["run"], tree["data"], tree["versions"]
    except FileNotFoundError:
        raise RunFolderError(f"{folder} is no run folder: it has no {RUN}") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFolderError(
            f"{path} is damaged ({type(error).__name__}: {error}): train the run again"
        ) from error
    return Described(Run.from_json(run), dict(data), dict(versions))


def write_weights(folder: Path, network: nn.Module) -> None:
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))


def read_weights(folder: Path, network: nn.Module) -> None:
    """Load model.safetensors into ``network``; what is damaged or does not fit is an error."""
    path = folder / WEIGHTS
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except FileNotFoundError:
        raise RunFolderError(
            f"{folder} holds no trained network: finish it with the command that began it"
        ) from None
    except (SafetensorError, OSError) as error:
        raise RunFolderError(f"{path} is damaged ({error}): train the run again") from error
    expected = network.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        here = tuple(expected[name].shape) if name in expected else None
        there = tuple(tensors[name].shape) if name in tensors else None
        if here != there:
            raise RunFolderError(
                f"{path} does not fit {RUN}: {name} has shape {there} in the file and {here} in "
                "the network: the two files are not of the same run"
            )
    network.load_state_dict(tensors)
