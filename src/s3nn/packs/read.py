"""Read a pack that may come from anyone: every file checked before it is used, nothing executed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s3nn.decode import parse_json
from s3nn.energy import Counts
from s3nn.errors import PackError, UsageError
from s3nn.experiment.train import COUNTS
from s3nn.experiment.trained import Trained, opened, planned
from s3nn.files import new_folder, write_bytes
from s3nn.packs.cost import MOST_STEPS, check_cost
from s3nn.packs.golden import Proof, prove, read_golden
from s3nn.packs.hub import SCHEME, fetched
from s3nn.packs.manifest import Manifest
from s3nn.packs.members import members
from s3nn.packs.write import COMPARISON, GOLDEN
from s3nn.report.schema import Result
from s3nn.training.folder import METRICS, RESULT, RUN, WEIGHTS, described


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack that was read and proved.

    ``contents`` are its files by name, ``comparison`` is there where it is one network of several
    seeds.
    """

    where: str
    manifest: Manifest
    trained: Trained
    result: Result
    comparison: Result | None
    proof: Proof
    contents: Mapping[str, bytes]


def load(place: Path | str) -> Trained:
    """The network of a pack, in eval mode: as ``s3nn.open_run`` gives that of a run folder.

    ``place`` is a folder, a zip, or ``hf://owner/name[@revision]`` on the Hugging Face hub (needs
    the extra ``s3nn[hub]``).  Raises ``PackError`` for a pack that is damaged or is not what it
    says.
    """
    return open_pack(place).trained


def open_pack(place: Path | str) -> Pack:
    """Read a pack and check it: names, sizes, checksums, shapes, dtypes, values, golden vectors."""
    text = str(place)
    if not text.startswith(SCHEME):
        return _read(Path(place), text)
    with tempfile.TemporaryDirectory(prefix="s3nn-pack-") as folder:
        return _read(fetched(text, Path(folder)), text)


def _read(path: Path, where: str) -> Pack:
    try:
        files = members(path)
        manifest = files.manifest()
        contents = files.contents(manifest)
    except OSError as error:
        raise PackError(f"{where} cannot be read ({error.strerror or error})") from error
    return proved(manifest, contents, where)


def proved(manifest: Manifest, contents: Mapping[str, bytes], where: str) -> Pack:
    """The pack that files are, once they are what the manifest says; else a ``RunFolderError``."""
    run = described(contents[RUN], f"{where}/{RUN}")
    if run.run.model.steps > MOST_STEPS:
        raise PackError(
            f"{where}/{RUN} describes a network of {run.run.model.steps} steps, more than the "
            f"{MOST_STEPS} a pack's may"
        )
    if run.run.chip.there:
        raise PackError(f"{where}/{RUN} describes a network on an emulated chip: no pack has one")
    plan = planned(run, where)
    trained = opened(run, contents[WEIGHTS], where)
    vectors = read_golden(contents[GOLDEN], trained, f"{where}/{GOLDEN}")
    check_cost(plan, trained.shape, f"{where}/{RUN}")
    result = _result(contents, RESULT, where)
    if len(result.rows) != 1:
        raise PackError(f"{where}/{RESULT} has {len(result.rows)} rows, a pack's has one")
    return Pack(
        where=where,
        manifest=manifest,
        trained=trained,
        result=result,
        comparison=_result(contents, COMPARISON, where) if COMPARISON in contents else None,
        proof=prove(trained, vectors, where),
        contents=contents,
    )


def _result(contents: Mapping[str, bytes], name: str, where: str) -> Result:
    return Result.from_json(parse_json(contents[name], f"{where}/{name}"), f"{where}/{name}")


def unpack(pack: Pack, out: Path) -> None:
    """Write a pack as a run folder, which eval, predict, energy, lint and compile take.

    Other forms of the network go along in their folders.  An ``out`` that is there is a
    ``UsageError``, unless it is empty.
    """
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UsageError(f"{out} is there: choose another --out")
    if COUNTS in pack.contents:
        where = f"{pack.where}/{COUNTS}"
        Counts.from_json(parse_json(pack.contents[COUNTS], where), where)
    for number, line in enumerate(pack.contents.get(METRICS, b"").splitlines()):
        parse_json(line, f"{pack.where}/{METRICS}, line {number + 1}")
    with new_folder(out) as made:
        for name, content in pack.contents.items():
            write_bytes(made / name, content)
