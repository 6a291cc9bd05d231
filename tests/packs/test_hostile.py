"""Packs that mean harm, or were harmed: refused in one sentence each, and nothing is executed."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from s3nn.cli import main
from s3nn.errors import PackError, S3nnError
from s3nn.packs import open_pack
from s3nn.packs.manifest import File, Manifest

Contents = dict[str, bytes]


def contents_of(folder: Path) -> Contents:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "pack.json"}


def signed(folder: Path, contents: Contents) -> Path:
    """A folder that holds ``contents``, with a manifest that says so."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "pack.json").write_text(Manifest.of(contents, "0").text())
    return folder


def refused(place: Path) -> str:
    with pytest.raises(S3nnError) as error:
        open_pack(place)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 600
    assert main(["load", str(place)]) == 2
    return text


def zipped(path: Path, contents: Contents) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("../README.md", "/etc/passwd", "a/../../b", "a\\b", "C:x", ".hidden", "a//b", "", "."),
        *(
            "network.nir",
            "details.npz",
            "c/nul",
            "c/com1.txt",
            "a/b/c/d/e",
            "new\nline",
            "\u202etxt",
            "x" * 101,
            "pack.json",
        ),
    ],
)
def test_names_that_lead_elsewhere(copy: Path, name: str) -> None:
    tree = json.loads((copy / "pack.json").read_text())
    tree["files"][name] = tree["files"]["README.md"]
    (copy / "pack.json").write_text(json.dumps(tree))
    assert "which is no name for a pack's file" in refused(copy)


def test_names_in_a_zip_that_lead_elsewhere(packed: Path, tmp_path: Path) -> None:
    whole = contents_of(packed) | {"pack.json": (packed / "pack.json").read_bytes()}
    path = zipped(tmp_path / "a.zip", whole | {"../../evil.txt": b"x"})
    assert "'../../evil.txt' is not listed in pack.json" in refused(path)
    assert not (tmp_path.parent / "evil.txt").exists()


@pytest.mark.parametrize("what", ["file", "folder", "pipe"])
def test_links_and_pipes(copy: Path, tmp_path: Path, what: str) -> None:
    target = copy / "README.md"
    if what == "folder":
        (copy / "c").symlink_to("/etc", target_is_directory=True)
    else:
        content = target.read_bytes()
        target.unlink()
        if what == "pipe":
            os.mkfifo(target)  # reading it would wait for ever
        else:
            (tmp_path / "elsewhere").write_bytes(content)
            target.symlink_to(tmp_path / "elsewhere")
    assert "is a link or no file at all" in refused(copy)


def test_links_in_a_zip(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("README.md")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in refused(path)


def test_a_file_twice_in_a_zip(packed: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", contents_of(packed))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("run.json", b"{}")
    assert "is in it twice" in refused(path)


def test_bombs_by_what_they_declare(packed: Path, tmp_path: Path) -> None:
    bomb = contents_of(packed) | {"metrics.jsonl": bytes(12 * 2**20)}
    whole = {"pack.json": Manifest.of(bomb, "0").text().encode(), **bomb}
    assert "more than anything in a pack does" in refused(zipped(tmp_path / "a.zip", whole))


def test_bombs_by_what_they_are(packed: Path, tmp_path: Path) -> None:
    """A file that grows beyond the size that the zip and the manifest say it has."""
    small, large = b"0" * 1000, b"0" * 100_000
    listed = contents_of(packed) | {"metrics.jsonl": small}
    whole = {"pack.json": Manifest.of(listed, "0").text().encode(), **listed}
    path = zipped(tmp_path / "a.zip", whole | {"metrics.jsonl": large})
    data = path.read_bytes()
    lied = data.replace(struct.pack("<I", len(large)), struct.pack("<I", len(small)))
    assert lied != data
    path.write_bytes(lied)
    assert "metrics.jsonl is damaged" in refused(path)


def test_a_folder_whose_file_is_larger_than_it_says(copy: Path) -> None:
    with (copy / "metrics.jsonl").open("ab") as file:
        file.truncate(2**30)  # takes no room, and must not be read
    assert "metrics.jsonl has more than the" in refused(copy)


@pytest.mark.parametrize("entries", [500, 0xFFFF])
def test_a_zip_of_many_files(tmp_path: Path, entries: int) -> None:
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, 46 * entries, 0, 0)
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(46 * entries) + end)
    assert f"lists {entries} files" in refused(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04.", b"PK\5\6" + bytes(18)])
def test_no_zip_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    assert refused(path).startswith(f"{path} is no pack")


def test_a_zip_with_a_password(packed: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", contents_of(packed))
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2")
    data[place + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refused(path)


Change = Callable[[dict[str, Any]], object]
FILE = {"bytes": 0, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.update(format="x"), "is no manifest of an s3nn pack"),
        (lambda t: t.update(version=2), "is of version 2 and this s3nn reads 1"),
        (lambda t: t["files"].pop("run.json"), "lists no run.json"),
        (lambda t: t["files"]["run.json"].update(bytes=-1), "says that run.json has -1 bytes"),
        (lambda t: t["files"]["run.json"].update(bytes=2**40), "more than the 1,048,576 it may"),
        (lambda t: t["files"]["run.json"].update(bytes=10), "more than the 10 bytes it may"),
        (lambda t: t["files"]["run.json"].update(bytes=10**6), "the manifest says 1,000,000"),
        (lambda t: t["files"]["run.json"].update(bytes=True), "should be an integer"),
        (lambda t: t["files"]["run.json"].update(sha256="0" * 64), "its SHA-256 differs"),
        (lambda t: t["files"]["run.json"].update(sha256="x"), "has no SHA-256 for run.json"),
        (lambda t: t["files"].update({"c/x": t["files"]["run.json"]}), "'c/x' is missing"),
        (lambda t: t["files"].pop("counts.json"), "'counts.json' is not listed"),
        (lambda t: t["files"].update(dict.fromkeys(("c/x", "c/X"), FILE)), "in case only"),
        (lambda t: t.update(extra=1), "has unknown 'extra'"),
        (lambda t: t.update({"a\nb": 1}), "has unknown 'a\\nb'"),
    ],
)
def test_manifests(copy: Path, change: Change, says: str) -> None:
    tree = json.loads((copy / "pack.json").read_text())
    change(tree)
    (copy / "pack.json").write_text(json.dumps(tree))
    assert says in refused(copy)


def test_many_files_in_a_manifest() -> None:
    files = {f"c/f{i}": File(0, "0" * 64) for i in range(300)}
    with pytest.raises(PackError, match="lists 300 files"):
        Manifest("s3nn-pack", 1, "0", files).checked("x")


@pytest.mark.parametrize(
    "content",
    [
        *(b"[" * 10**6, b'{"a":' * 10**5, b"[]", b"null", b"\xff\xfe", b"{", b"NaN"),
        *(b"9" * 10**4, b'{"run": {}, "data": [], "versions": {}}'),
    ],
)
def test_json_that_is_too_deep_too_large_or_none(copy: Path, content: bytes) -> None:
    assert "run.json" in refused(signed(copy, contents_of(copy) | {"run.json": content}))


def test_json_that_is_too_long(copy: Path) -> None:
    (copy / "pack.json").write_bytes(b" " * (2**20 + 1))
    assert "pack.json has more than the 1,048,576 bytes it may" in refused(copy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t["run"]["model"].update(width=1e5), "does not fit run.json"),
        (lambda t: t["run"]["model"].update(width=1e9), "cannot be built"),
        (lambda t: t["run"]["model"].update(width=1e300), "cannot be built"),
        (lambda t: t["run"]["model"].update(name="../evil"), "cannot read '../evil'"),
        (lambda t: t["run"]["model"].update(name="os"), "unknown model 'os'"),
        (lambda t: t["run"]["model"].update(name="x.py:Net"), "cannot read 'x.py:Net'"),
        (lambda t: t["run"]["model"].update(neuron="fire(surrogate=exec(a=1))"), "unknown surro"),
        (lambda t: t["run"]["model"].update(neuron="fire(threshold='a')"), "takes float, got a"),
        (lambda t: t["run"]["model"].update(neuron="-" * 900 + "1"), "cannot read '------"),
        (lambda t: t["run"]["model"].update(neuron="fire(" * 300), "cannot read 'fire("),
        (lambda t: t["run"]["model"].update(neuron="a" * 2000), "cannot read 'aaaa"),
        (lambda t: t["run"]["model"].update(steps=10**9), "of 1000000000 steps"),
        (lambda t: t["run"]["optim"].update(lr=10**400), "should be a finite number"),
        (lambda t: t["data"].update(shape=[1, 10**6, 10**6]), "are too large"),
        (lambda t: t["data"].update(shape=[1, 8]), "is no (C, H, W)"),
        (lambda t: t["data"].update(shape=[1, 0, 8]), "is no (C, H, W)"),
        (lambda t: t["data"].update(shape="188"), "should be a list"),
        (lambda t: t["run"]["chip"].update(seed=1), "on an emulated chip"),
        (lambda t: t["run"].update(task="denoising(sigma=25)"), "asks for an image"),
        (lambda t: t["data"].update(std=[0.0]), "a std that is not > 0"),
        (lambda t: t["data"].update(mean=[0.1, 0.1]), "mean and std a channel"),
        (lambda t: t["data"].update(classes=[]), "0 classes"),
        (lambda t: t["data"].pop("checksum"), "lacks 'checksum'"),
        (lambda t: t["data"].update(shape=[1, 800, 800]), "does not fit run.json"),
    ],
)
def test_runs(copy: Path, change: Change, says: str) -> None:
    contents = contents_of(copy)
    tree = json.loads(contents["run.json"])
    change(tree)
    contents["run.json"] = json.dumps(tree).encode()
    assert says in refused(signed(copy, contents))


THRESHOLD = "features.0.threshold.fixed"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (THRESHOLD, torch.tensor(torch.nan), "has the value nan"),
        (THRESHOLD, torch.tensor(torch.inf), "has the value inf"),
        (THRESHOLD, torch.tensor(-1.0), "is -1.0, but must be > 0"),
        (THRESHOLD, torch.tensor(1), "is int64 of shape () in the file and float32"),
        (THRESHOLD, torch.ones(3), "is float32 of shape (3,) in the file"),
        (THRESHOLD, None, "is missing in the file"),
        ("new\nline", torch.ones(1), "'new\\nline' is float32 of shape (1,) in the file"),
        ("encode.1.running_var", -torch.ones(4), "the variance of encode.1 is -1.0"),
        (THRESHOLD, torch.tensor(0.5), "golden images, 4 fire otherwise"),
    ],
)
def test_weights(copy: Path, name: str, value: torch.Tensor | None, says: str) -> None:
    contents = contents_of(copy)
    tensors = load(contents["model.safetensors"])
    if value is None:
        del tensors[name]
    else:
        tensors[name] = value
    contents["model.safetensors"] = save(tensors)
    assert says in refused(signed(copy, contents))


def header(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "of its 0 bytes"),
        (header(b"{}", 2**63), "its header cannot be 9,223,372,036,854,775,808"),
        (header(b"[]"), "its header is no object"),
        (header(b"{}"), "does not fit run.json"),
        (header(b'{"a":{"dtype":"F32","shape":[1e9]}}'), "has the dtype 'F32' and the shape"),
        (header(b'{"a":{"dtype":"F32","shape":[-1]}}'), "and the shape [-1]"),
        (header(b'{"a":{"dtype":"PY","shape":[]}}'), "has the dtype 'PY'"),
        (header(b'{"a":' * 5000), "is nested too deeply"),
        (pickle.dumps(os.getcwd), "model.safetensors"),
    ],
)
def test_weights_that_are_no_safetensors(copy: Path, content: bytes, says: str) -> None:
    contents = contents_of(copy) | {"model.safetensors": content}
    assert says in refused(signed(copy, contents))


def test_weights_whose_places_are_not_theirs(copy: Path) -> None:
    """The header's shapes are right and its offsets lead past the end of the file."""
    contents = contents_of(copy)
    content = contents["model.safetensors"]
    length = int.from_bytes(content[:8], "little")
    tree = json.loads(content[8 : 8 + length])
    tree[THRESHOLD]["data_offsets"] = [2**40, 2**40 + 4]
    contents["model.safetensors"] = header(json.dumps(tree).encode()) + content[8 + length :]
    assert "model.safetensors is damaged" in refused(signed(copy, contents))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.update(images=t["images"][:0]), "has 0 images"),
        (lambda t: t.update(images=t["images"].repeat(20, 1, 1, 1)), "has 80 images"),
        (lambda t: t.update(images=t["images"].float()), "is float32 of shape (4, 1, 8, 8)"),
        (lambda t: t.update(images=t["images"][..., :4]), "is uint8 of shape (4, 1, 8, 4)"),
        (lambda t: t.update(answers=t["answers"].float()), "is float32 of shape (4, 10)"),
        (lambda t: t.update(answers=t["answers"] * torch.nan), "an answer is nan off"),
        (lambda t: t.update(answers=t["answers"] + 1), "0 fire otherwise"),
        (lambda t: t.update(spikes=t["spikes"] + 1), "4 fire otherwise"),
        (lambda t: t.pop("spikes"), "'spikes' is missing in the file"),
    ],
)
def test_golden_vectors(copy: Path, change: Change, says: str) -> None:
    contents = contents_of(copy)
    tensors = load(contents["golden.safetensors"])
    change(tensors)
    contents["golden.safetensors"] = save({k: v.contiguous() for k, v in tensors.items()})
    assert says in refused(signed(copy, contents))


def test_a_network_that_would_take_hours() -> None:
    from s3nn.config import Model
    from s3nn.packs.cost import check_cost
    from s3nn.training.build import build_model

    with torch.device("meta"):
        network = build_model(Model(name="cnn7", width=50), (1, 1000, 1000), 10)
    with pytest.raises(PackError, match=r"run.json describes a network that multiplies [\d,]+ tim"):
        check_cost(network, (1, 1000, 1000), "run.json")


def test_what_a_pack_says_of_itself_does_not_steer_a_terminal(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = contents_of(copy)
    tree = json.loads(contents["result.json"])
    tree["data"]["licence"] = "\x1b[2Jfree\nas in beer"
    contents["result.json"] = json.dumps(tree).encode()
    assert main(["load", str(signed(copy, contents))]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert " [2Jfree as in beer" in said


@pytest.mark.parametrize("name", ["counts.json", "metrics.jsonl"])
def test_what_is_used_only_unpacked_is_checked_before(
    copy: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = signed(copy, contents_of(copy) | {name: b'{"layers": [{"name": 3}]}\n{'})
    assert main(["load", str(place), "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert name in err
    assert err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy"]
