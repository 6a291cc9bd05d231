"""Write a pack: all of it, or nothing."""

from __future__ import annotations

import json
import os
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s3nn.config import Run
from s3nn.errors import PackError, RunFolderError, UnsupportedError, UsageError
from s3nn.experiment.train import COUNTS, read_counts
from s3nn.experiment.trained import Trained, open_run
from s3nn.files import new_folder, replacing, write_bytes
from s3nn.packs.card import Study, card
from s3nn.packs.extras import extra_files
from s3nn.packs.golden import MOST_IMAGES, golden
from s3nn.packs.manifest import MANIFEST, Manifest
from s3nn.packs.members import members
from s3nn.report.schema import Result, read_result
from s3nn.rows import row_of
from s3nn.training.folder import (
    CONVERSION,
    IMPORTED,
    METRICS,
    RESULT,
    RUN,
    WEIGHTS,
    describe,
    weights_of,
)
from s3nn.versions import versions

GOLDEN, CARD, COMPARISON = "golden.safetensors", "README.md", "comparison.json"
IMAGES = 8


def pack(
    run: Path | str,
    out: Path | str,
    *,
    extras: Sequence[str] = (),
    images: int = IMAGES,
    licence: str | None = None,
    comparison: Path | str | None = None,
) -> Manifest:
    """Write the finished run in the folder ``run`` as a pack: a zip where ``out`` says so.

    The same run gives the same bytes.  An ``out`` that is there is left alone: with an error,
    unless it is this very pack.  Of paths on this machine only the last part travels.

    Parameters
    ----------
    extras: other forms of the network to put in: ``c``, ``nir``, ``onnx``.
    images: how many test images are golden vectors.
    licence: of the weights, for the card.
    comparison: a folder that `s3nn compare` wrote, which the card takes the interval over seeds
        from; by default the one that the run lies in, if it does.

    Raises ``UsageError`` and ``RunFolderError`` for a run that is not finished, data that is not
    found, and an ``out`` that holds something else.
    """
    folder, place = Path(run), Path(out)
    if not 1 <= images <= MOST_IMAGES:
        raise UsageError(f"a pack has 1 to {MOST_IMAGES} golden images, got {images}")
    _is_ours(describe(folder).run, folder)
    trained = open_run(folder)
    contents = _contents(folder, trained, extras, images, licence, comparison)
    manifest = Manifest.of(contents, str(versions()["s3nn"]))
    whole = {MANIFEST: manifest.text().encode(), **contents}
    if _is_there(place, manifest):
        return manifest
    if place.suffix.lower() == ".zip":
        _write_zip(place, whole)
    else:
        _write_folder(place, whole)
    return manifest


def _contents(
    folder: Path,
    trained: Trained,
    extras: Sequence[str],
    images: int,
    licence: str | None,
    comparison: Path | str | None,
) -> dict[str, bytes]:
    result, counts = read_result(folder), read_counts(folder)
    if len(result.rows) != 1:
        raise RunFolderError(f"{folder} is a comparison: pack one run of it, {folder}/ROW/seed0")
    if result.rows[0].name != row_of(trained.run):
        raise RunFolderError(
            f"{folder}/{RESULT} is of {result.rows[0].name} and its weights are of "
            f"{row_of(trained.run)}: train the run again"
        )
    study = _study(folder, result, comparison)
    shown = trained.data().test.images[:images]
    private = _paths(trained.run, result.command)
    contents = {
        RUN: _travelling(json.loads((folder / RUN).read_bytes()), private),
        RESULT: _travelling(result.to_json(), private),
        COUNTS: (folder / COUNTS).read_bytes(),
        WEIGHTS: weights_of(folder),
        GOLDEN: golden(trained, shown).to_bytes(),
    }
    if (folder / METRICS).is_file():
        contents[METRICS] = (folder / METRICS).read_bytes()
    if (folder / CONVERSION).is_file():
        tree = json.loads((folder / CONVERSION).read_bytes())
        contents[CONVERSION] = _travelling(tree, [str(tree["of"]), *private])
    if study is not None:
        contents[COMPARISON] = _travelling(study.result.to_json(), private)
    for name in extras:
        contents |= extra_files(name, trained, shown)
    text = card(
        Run.from_json(json.loads(contents[RUN])["run"]),
        Result.from_json(json.loads(contents[RESULT])),
        {name: len(content) for name, content in contents.items()},
        shape=trained.shape,
        samples=counts.samples,
        study=study,
        licence=licence,
    )
    return contents | {CARD: text.encode()}


def _is_ours(run: Run, folder: Path) -> None:
    """An ``UnsupportedError`` for networks that run.json and weights alone do not make."""
    if run.chip.there:  # its noise is in no golden vector
        raise UnsupportedError(
            "a pack of a network on an emulated chip",
            f"{folder}, chip.seed={run.chip.seed}",
            "pack one that was trained without --chip; s3nn deploy puts it on chips",
        )
    if (folder / IMPORTED).is_file():
        raise UnsupportedError(
            "a pack of a network that was imported", f"{folder}", f"share the file {IMPORTED} in it"
        )


def _study(folder: Path, result: Result, comparison: Path | str | None) -> Study | None:
    """The comparison that the run is one network of."""
    home = folder.resolve().parent.parent if comparison is None else Path(comparison)
    if comparison is None and not (home / RESULT).is_file():
        return None
    found, mine = read_result(home), result.rows[0]
    name = folder.resolve().parent.name if comparison is None else mine.name
    for row in found.rows:
        same = (row.neuron, row.synapse, row.steps) == (mine.neuron, mine.synapse, mine.steps)
        if row.name == name and same and mine.score.mean in row.score.per_seed:
            return Study(found, row)
    if comparison is None:
        return None
    raise UsageError(
        f"{home} has no row {name!r} with the score of {folder}: name the comparison that the "
        "run was trained in"
    )


def _paths(run: Run, command: str) -> list[str]:
    """What the run and its command say of places on this machine, the longest first."""
    _, _, own = run.data.name.partition(":")
    given = [own, run.data.folder or "", run.teacher.folder or "", run.fit.start or ""]
    words = [word.partition("=")[2] or word for word in _words(command)]
    given += [word for word in words if ":" not in word]
    named = (path for path in given if os.sep in path and Path(path).name)  # "/" names nothing
    return sorted(named, key=len, reverse=True)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # quotes that do not close: no shell has run it
        return command.split()


def _travelling(tree: Any, private: Sequence[str]) -> bytes:
    """A tree as JSON, in whose strings only the last part of a private path is left."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(each) for key, each in value.items()}
        if isinstance(value, list):
            return [cut(each) for each in value]
        if isinstance(value, str):
            for path in private:
                value = value.replace(path, Path(path).name)
        return value

    return (json.dumps(cut(tree), indent=1, ensure_ascii=False) + "\n").encode()


def _is_there(place: Path, manifest: Manifest) -> bool:
    """Whether this very pack is there; anything else that is there is a ``UsageError``."""
    if not place.exists() and not place.is_symlink():
        return False
    if place.is_dir() and not any(place.iterdir()):
        return False
    try:
        there = members(place)
        same = there.manifest() == manifest
        if same:
            there.contents(manifest)
    except PackError:
        same = False
    if not same:
        raise UsageError(f"{place} is there and is not this pack: choose another --out")
    return True


def _write_zip(place: Path, contents: Mapping[str, bytes]) -> None:
    with replacing(place) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name)  # of 1980: the same pack is the same file
            info.create_system, info.external_attr = 3, 0o100644 << 16
            stored = name.endswith(".safetensors")
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def _write_folder(place: Path, contents: Mapping[str, bytes]) -> None:
    with new_folder(place) as made:
        for name, content in contents.items():
            write_bytes(made / name, content)
