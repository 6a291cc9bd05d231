"""A run folder: run.json, checkpoints while training, and what training left when it was done.

run.json           the resolved run, its seed, the versions, the data's checksum
metrics.jsonl      one line an epoch
last.ckpt          to resume from; best.ckpt: the best epoch so far; .lock: of who trains it now
model.safetensors  the weights that validation picked
network.nir        instead of these, a network that was imported
result.json, report.html, report.md, details.npz
conversion.json    of a run that was not trained: what it was converted from, and how
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors.torch import save
from torch import nn

from s3nn.config import Run
from s3nn.data import DataSet
from s3nn.decode import decode, parse_json
from s3nn.errors import RunFolderError
from s3nn.files import check_folder_place, write_bytes, write_text
from s3nn.training.processes import Processes
from s3nn.training.weights import load_weights

RUN, WEIGHTS, RESULT, METRICS = "run.json", "model.safetensors", "result.json", "metrics.jsonl"
CONVERSION = "conversion.json"
IMPORTED = "network.nir"
LAST, BEST, LOCK = "last.ckpt", "best.ckpt", ".lock"
SCORE = "validation_score"  # in metrics.jsonl: what validation picks by


@dataclass(frozen=True)
class Shown:
    """The data that a network is for: images (C, H, W), how they are normalised, the classes."""

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str

    def check(self, where: str) -> Shown:
        """This, or a ``RunFolderError`` for the first value that cannot be right."""
        channels = self.shape[0] if self.shape else 0
        for wrong, what in (
            (len(self.shape) != 3 or min(self.shape) < 1, f"shape {self.shape} is no (C, H, W)"),
            (prod(self.shape) > MOST_PIXELS, f"images of shape {self.shape} are too large"),
            (not 1 <= len(self.classes) <= MOST_CLASSES, f"{len(self.classes)} classes"),
            (len(self.mean) != channels or len(self.std) != channels, "mean and std a channel"),
            (not all(value > 0 for value in self.std), "a std that is not > 0"),
        ):
            if wrong:
                raise RunFolderError(f"{where} cannot be right: {what}")
        return self


MOST_PIXELS = 2**26
MOST_CLASSES = 2**20


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
    if not (folder / WEIGHTS).is_file():  # a finished run is shown from where nothing is written
        check_folder_place(folder)
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


@contextmanager
def withdrawn_where_nothing_is(folder: Path) -> Iterator[None]:
    """Undo what began a run if it ends by an error before there is anything to go on from.

    The same folder may then take a run whose mistake was mended.
    """
    try:
        yield
    except BaseException:
        if Processes.here().rank == 0 and not any((folder / n).exists() for n in (LAST, WEIGHTS)):
            for name in (RUN, METRICS):
                (folder / name).unlink(missing_ok=True)
        raise


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, no other process trains in ``folder``: the second one gets a ``RunFolderError``.

    The lock is the operating system's and ends with the process, however that ends.  Of processes
    that train together the first holds it.
    """
    if Processes.here().rank > 0:
        yield
        return
    try:
        with FileLock(folder / LOCK, timeout=0):
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # it goes if nothing came of it
                    folder.rmdir()
    except Timeout:
        raise RunFolderError(
            f"{folder} is being trained by another process: wait for it, or choose another --out"
        ) from None


def check_same_data(folder: Path, data: DataSet) -> None:
    """A ``RunFolderError`` where ``folder`` was begun on other images than ``data`` has."""
    begun = describe(folder).data["checksum"]
    if data.spec.checksum != begun:
        raise RunFolderError(
            f"{folder} was begun on other images: their checksum is {begun[:19]}..., that of "
            f"{data.spec.name} is {data.spec.checksum[:19]}... now: choose another --out, or bring "
            "them back"
        )


def write_run(folder: Path, run: Run, data: dict[str, Any], versions: dict[str, Any]) -> None:
    tree = {"run": run.to_json(), "data": data, "versions": versions}
    write_text(folder / RUN, json.dumps(tree, indent=2) + "\n")


def describe(folder: Path) -> Described:
    """Read run.json; anything wrong with it is a ``RunFolderError``."""
    path = folder / RUN if folder.is_dir() else folder
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise RunFolderError(f"{folder} is no run folder: it has no {RUN}") from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error}): train the run again") from error
    return described(content, str(path))


def described(content: bytes, where: str) -> Described:
    """What the bytes of a run.json say; anything wrong with it is a ``RunFolderError``."""
    tree = parse_json(content, where)
    parts = tree if isinstance(tree, dict) else {}
    if not all(isinstance(parts.get(name), dict) for name in ("run", "data", "versions")):
        raise RunFolderError(
            f"{where} is damaged: it needs the objects run, data and versions; train the run again"
        )
    return Described(Run.from_json(parts["run"]), parts["data"], parts["versions"])


def data_description(data: DataSet) -> dict[str, Any]:
    """What run.json says of the data."""
    spec = data.spec
    return {
        "name": spec.name,
        "checksum": spec.checksum,
        "splits": dict(spec.sizes),
        "source": spec.source,
        "licence": spec.licence,
        "classes": list(spec.classes),
        "shape": list(spec.shape),
        "mean": list(spec.mean),
        "std": list(spec.std),
    }


def read_history(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl."""
    path = folder / METRICS
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} is missing or damaged ({error}): train again") from error


def shown(data: dict[str, Any], where: str) -> Shown:
    """What run.json says of the data that the network is for, checked."""
    names = [field.name for field in fields(Shown)]
    return decode(Shown, {n: data[n] for n in names if n in data}, f"{where} data").check(where)


def write_weights(folder: Path, network: nn.Module) -> None:
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))


def weights_of(folder: Path) -> bytes:
    """The bytes of model.safetensors, not looked at."""
    path = folder / WEIGHTS
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise RunFolderError(
            f"{folder} holds no trained network: finish it with the command that began it"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error}): train the run again") from error


def read_weights(folder: Path, network: nn.Module) -> None:
    """Load model.safetensors into ``network``; what is damaged or does not fit is an error."""
    load_weights(weights_of(folder), network, str(folder / WEIGHTS))
