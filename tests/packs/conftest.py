"""A run that was trained, and packs of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from s3nn.config import Data, Fit, Model, Optim, Run
    from s3nn.experiment.train import train

    folder = tmp_path_factory.mktemp("packed") / "run"
    settings = Run(
        recipe="digits_tiny",
        data=Data(name="digits", batch=64),
        model=Model(name="cnn7", width=0.0625),
        optim=Optim(lr=0.05),
        fit=Fit(epochs=1, threads=1),
    )
    train(settings, folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def packed(run: Path) -> Path:
    """The run as a folder; not to be written to."""
    from s3nn.packs import pack

    out = run.parent / "pack"
    pack(run, out, images=4)
    return out


@pytest.fixture
def copy(packed: Path, tmp_path: Path) -> Path:
    """A copy of the pack's folder, to break."""
    return Path(shutil.copytree(packed, tmp_path / "copy"))
