"""Folders and files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3nn import files
from s3nn.errors import UsageError
from s3nn.files import cache_root, new_folder, write_text


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    return tmp_path / "link"


def fill(out: Path) -> None:
    with new_folder(out) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("a")
        (folder / "b").write_text("b")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    fill(tmp_path / "new" / "out")
    assert names(tmp_path) == ["new", "new/out", "new/out/b", "new/out/sub", "new/out/sub/a"]


def test_a_working_directory_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path())
    assert names(Path()) == names(tmp_path) == ["b", "sub", "sub/a"]


def test_a_link_stays_a_link(linked: Path) -> None:
    fill(linked)
    assert linked.is_symlink()
    assert names(linked.parent / "empty") == ["b", "sub", "sub/a"]


@pytest.mark.parametrize("out", ["new", "empty", "link"])
def test_nothing_half_written_stays(out: str, linked: Path) -> None:
    def fail() -> None:
        with new_folder(linked.parent / out) as folder:
            (folder / "b").write_text("b")
            raise OSError("the disk is full")

    before = names(linked.parent)
    with pytest.raises(OSError, match="the disk is full"):
        fail()
    assert names(linked.parent) == before


def test_nothing_is_half_moved(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3nn.files

    rename, calls = s3nn.files.os.rename, []

    def once(source: Path, to: Path) -> None:
        calls.append(to)
        if len(calls) == 2:
            raise OSError("the disk is full")
        rename(source, to)

    monkeypatch.setattr("s3nn.files.os.rename", once)
    with pytest.raises(OSError, match="the disk is full"):
        fill(linked)
    assert names(linked.parent / "empty") == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    with pytest.raises(UsageError, match="is there and not empty"):
        fill(tmp_path)
    assert (tmp_path / "b").read_text() == "mine"
    assert names(tmp_path) == ["b"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file and no folder"), new_folder(tmp_path / "file"):
        pass
    assert names(tmp_path) == ["file"]


def test_a_link_that_leads_nowhere(linked: Path) -> None:
    linked.with_name("empty").rmdir()
    for place in (linked, linked / "new"):
        with pytest.raises(UsageError, match="link is a link to empty, which is not there"):
            fill(place)
    assert names(linked.parent) == ["link"]


def test_a_folder_of_somebody_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: path != theirs)  # root may write anywhere
    message = f"nothing can be written in {theirs}: choose another place \\(--out\\)"
    for place in (theirs / "file", theirs / "new" / "file"):
        with pytest.raises(UsageError, match=message):
            write_text(place, "text")
        with pytest.raises(UsageError, match=message):
            fill(place)
    assert names(tmp_path) == ["theirs"]


@pytest.fixture
def private() -> Iterator[None]:
    """A process that gives nothing to anybody else."""
    before = os.umask(0o077)
    files._umask.cache_clear()
    yield
    os.umask(before)
    files._umask.cache_clear()


@pytest.mark.usefixtures("private")
def test_what_is_written_has_the_permissions_of_the_process(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "text")
    fill(tmp_path / "folder")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    assert os.umask(0o077) == 0o077


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache is of a user id that is in no /etc/passwd, without HOME."""
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"s3nn-{os.getuid()}"


def test_without_a_home_the_cache_is_private(homeless: Path) -> None:
    assert cache_root() == homeless
    assert homeless.stat().st_mode & 0o777 == 0o700
    assert cache_root() == homeless


@pytest.mark.parametrize("content", ["a link", "everybody's", "somebody else's"])
def test_a_cache_that_others_can_write_is_not_taken(
    content: str, homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content == "a link":
        homeless.symlink_to(homeless.parent)
    else:
        homeless.mkdir(0o700)
    if content == "everybody's":
        homeless.chmod(0o777)
    if content == "somebody else's":
        other = homeless.with_name("s3nn-12345")
        homeless.rename(other)
        monkeypatch.setattr("os.getuid", lambda: 12345)
    with pytest.raises(UsageError, match=r"s3nn-\d+, .* is not this user's alone: .*XDG_CACHE"):
        cache_root()
