"""The C of the lean room, by itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from s3nn.lean import team
from s3nn.native import CompilerError

SOURCES = sorted((Path(team.__file__).parent / "kernels").glob("*.c"))
FLAGS = ["-O2", "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-c"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
@pytest.mark.parametrize("machine", [[], ["-march=native"]], ids=["plain", "native"])
def test_it_compiles_without_a_warning(
    source: Path, compiler: str, machine: list[str], tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    command = [compiler, *FLAGS, *machine, str(source), "-o", str(tmp_path / "kernels.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_kernels_that_the_system_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError(f"{name}: failed to map segment from shared object")

    monkeypatch.setattr("ctypes.CDLL", refuse)
    with pytest.raises(CompilerError, match=r"^cannot load .*failed to map.*mounted noexec"):
        team.kernels.__wrapped__("team")
