"""The compiler and its absence, the cache, and what a program takes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from s3nn.errors import UsageError
from s3nn.graph.ir import Graph, Vertex
from s3nn.graph.nodes import Affine, Conv, Fire, Flatten, Image, Linear
from s3nn.native import CompilerError, _machine, build, find_compiler
from s3nn.runtime.emit import Source, emit
from s3nn.runtime.engine import Program
from s3nn.runtime.plan import plan

SHAPE = (1, 5, 4)


def graph(seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)

    def weight(*shape: int) -> np.ndarray:
        return rng.integers(-7, 8, shape).astype(np.int8)

    nodes = [
        Image(SHAPE),
        Conv(weight(6, 1, 3, 3)),
        Fire(rng.integers(-99, 99, 6)),
        Flatten(),
        Linear(weight(3, 36)),
        Affine(np.array([2, 3, 4]), np.array([5, 6, 7])),
    ]
    return Graph(
        tuple(Vertex(str(i), node, (str(i - 1),) if i else ()) for i, node in enumerate(nodes))
    )


def source(seed: int = 0) -> Source:
    return emit(plan(graph(seed)), "small")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "s3nn" / "compiled"


def script(folder: Path, text: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "nonexistent")
    with pytest.raises(CompilerError, match=r"looked for CC=nonexistent.*install gcc or clang"):
        build(source())
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompilerError, match="looked for cc, gcc, clang"):
        find_compiler()


@pytest.mark.parametrize("form", ["{} -m64 -DA='1 2'", "env {}", "'{}'"])
def test_a_compiler_of_several_words(
    form: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", form.format(*find_compiler()))
    assert build(source()).is_file()


def test_a_compiler_in_a_folder_with_a_space(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a folder").mkdir()
    path = script(tmp_path / "a folder", f'exec {shlex.join(find_compiler())} "$@"')
    monkeypatch.setenv("CC", path)
    assert find_compiler() == [path]
    assert build(source()).is_file()


def test_words_that_name_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in ("nonexistent -m64", "gcc '", " "):
        monkeypatch.setenv("CC", words)
        with pytest.raises(CompilerError, match=f"looked for CC={words}"):
            find_compiler()


def test_a_compiler_that_fails(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", script(tmp_path, "echo out of ideas >&2; exit 1"))
    with pytest.raises(CompilerError, match=r"compiler failed with exit code 1: out of ideas"):
        build(source())
    assert not list(cache.iterdir())


def refusing(folder: Path, then: str) -> str:
    """A compiler without ``-march=native``."""
    refuses = 'case "$*" in *-march=native*) echo no native here >&2; exit 1;; esac'
    return script(folder, f"{refuses}; {then}")


def test_a_compiler_that_knows_no_native_machine(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    monkeypatch.setenv("CC", refusing(tmp_path, f'exec {shlex.join(find_compiler())} "$@"'))
    np.testing.assert_array_equal(Program(source(), SHAPE, 3)(x), graph().run(x))
    monkeypatch.setenv("CC", refusing(tmp_path, "echo out of ideas >&2; exit 1"))
    with pytest.raises(CompilerError, match="no native here"):
        build(source(1))


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        CompilerError, match=r"file/s3nn/compiled, where nothing can be written .*XDG_CACHE"
    ):
        build(source())


def test_a_library_that_the_system_does_not_load(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise OSError(f"{name}: failed to map segment from shared object")

    monkeypatch.setattr("ctypes.CDLL", refuse)
    says = r"^cannot load .*small-\w+\.so: failed to map.*mounted noexec, .*XDG_CACHE_HOME"
    with pytest.raises(CompilerError, match=says):
        Program(source(), SHAPE, 3)


def test_a_library_is_built_once(cache: Path) -> None:
    first = build(source())
    made = first.stat().st_mtime_ns
    assert build(source()) == first
    assert first.stat().st_mtime_ns == made
    assert build(source(1)) != first
    assert sorted(path.suffix for path in cache.iterdir()) == [".sha256"] * 2 + [".so"] * 2


@pytest.mark.parametrize(
    "cpuinfo",
    [
        "cpu MHz\t: 1000\nflags\t\t: fpu {}\n",  # x86
        "Features\t: fp {}\n",  # ARM
        "vendor_id       : IBM/S390\nfeatures\t: esan3 {}\n",
        "hart\t: 0\nisa\t: rv64imafdc{}\n",
        "processor\t: 0\ncpu\t\t: POWER9{}, altivec supported\n",
    ],
)
def test_libraries_are_kept_by_what_the_processor_can_do(
    cpuinfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for text in (cpuinfo.format("a"), 2 * cpuinfo.format("a"), cpuinfo.format("b")):
        monkeypatch.setattr(Path, "read_text", lambda path, encoding, text=text: text)
        found.append(_machine())
    assert found[0] == found[1] != found[2]
    assert "MHz" not in found[0]


def test_a_machine_that_says_nothing_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: "processor\t: 0\n")
    assert os.uname().nodename in _machine()


@pytest.mark.parametrize("damage", ["truncated", "empty checksum", "no checksum"])
def test_a_damaged_library_is_built_again(cache: Path, damage: str) -> None:
    library = build(source())
    whole = library.read_bytes()
    checksum = library.with_suffix(".sha256")
    if damage == "truncated":
        library.unlink()  # not in place: a program may have it loaded
        library.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty checksum":
        checksum.write_text("")
    else:
        checksum.unlink()
    x = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    np.testing.assert_array_equal(Program(source(), SHAPE, 3)(x), graph().run(x))
    assert len(library.read_bytes()) == len(whole)


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(source(), SHAPE, 3)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((2, 1, 5, 4), np.float32),
        ((2, 1, 5, 4), np.int8),
        ((2, 1, 4, 5), np.uint8),
        (SHAPE, np.uint8),
    ],
)
def test_images_that_are_none(program: Program, shape: tuple[int, ...], kind: type) -> None:
    with pytest.raises(UsageError, match=r"\(N, 1x5x4\) of dtype uint8.*raw pixels"):
        program(np.zeros(shape, kind))


def test_any_layout_and_number_of_images(program: Program) -> None:
    x = (
        np.random.default_rng(0)
        .integers(0, 256, (4, 5, 9, 1), dtype=np.uint8)
        .transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(program(x), graph().run(x))
    np.testing.assert_array_equal(program(x[::-2]), graph().run(x[::-2]))
    assert program(x[:0]).shape == (0, 3)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_threads_give_the_same(program: Program, count: int) -> None:
    x = np.random.default_rng(1).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    for threads in (2, 3):
        np.testing.assert_array_equal(Program(source(), SHAPE, 3, threads)(x), program(x))
    with pytest.raises(UsageError, match="1 thread or more, got 0"):
        Program(source(), SHAPE, 3, threads=0)


def test_torch_is_not_loaded() -> None:
    code = (
        "import sys; from s3nn.runtime import emit, engine, plan; "
        "assert not {'torch', 'lightning', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
