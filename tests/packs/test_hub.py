"""Packs on a hub of the test's own, that gives files as huggingface_hub does."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import s3nn
from s3nn.errors import PackError, UsageError


class Hub:
    """Keeps repositories as folders, and what was asked for."""

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.asked: list[tuple[str, str, str | None]] = []

    def hf_hub_download(
        self, *, repo_id: str, filename: str, revision: str | None, local_dir: str
    ) -> str:
        self.asked.append((repo_id, filename, revision))
        source = self.repositories[repo_id] / filename
        if not source.is_file():
            raise FileNotFoundError(f"404: {filename}\nnot found")
        there = Path(local_dir) / filename
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, there)
        clutter = Path(local_dir) / ".cache" / "huggingface"  # as the library does
        clutter.mkdir(parents=True, exist_ok=True)
        (clutter / "x.lock").touch()
        return str(there)


@pytest.fixture
def hub(packed: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub({"me/digits": packed})
    module = SimpleNamespace(hf_hub_download=found.hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)  # type: ignore[arg-type]
    return found


def test_a_pack_from_the_hub(hub: Hub, packed: Path) -> None:
    found = s3nn.load("hf://me/digits@v1.0")
    mine = s3nn.load(packed).network.state_dict()
    assert all(torch.equal(v, mine[k]) for k, v in found.network.state_dict().items())
    assert {(repository, revision) for repository, _, revision in hub.asked} == {
        ("me/digits", "v1.0")
    }
    listed = {path.name for path in packed.iterdir()}
    assert {name for _, name, _ in hub.asked} == listed, "nothing else is fetched"


def test_what_the_hub_has_not_is_one_sentence(hub: Hub, copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    hub.repositories["me/half"] = copy
    with pytest.raises(PackError, match=r"hf://me/half: model\.safetensors cannot be fe") as e:
        s3nn.load("hf://me/half")
    assert "\n" not in str(e.value)
    assert "404" in str(e.value)


def test_a_manifest_from_the_hub_is_checked_before_anything_else_is_fetched(
    hub: Hub, copy: Path
) -> None:
    text = (copy / "pack.json").read_text()
    (copy / "pack.json").write_text(text.replace('"README.md"', '"../README.md"'))
    hub.repositories["me/evil"] = copy
    with pytest.raises(PackError, match=r"README\.md"):
        s3nn.load("hf://me/evil")
    assert [name for _, name, _ in hub.asked] == ["pack.json"]


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"pip install 's3nn\[hub\]'"):
        s3nn.load("hf://me/digits")


@pytest.mark.parametrize("place", ["hf://me", "hf://../x", "hf://a/b/c", "hf://a/b@", "hf://"])
def test_places_that_are_none(place: str) -> None:
    with pytest.raises(UsageError, match="write hf://owner/name"):
        s3nn.load(place)
