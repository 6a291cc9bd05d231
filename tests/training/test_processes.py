"""Which process this is, as torchrun and SLURM say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3nn.config import Run
from s3nn.errors import RunFolderError
from s3nn.training.folder import RUN, claim
from s3nn.training.processes import Processes

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "WORLD_SIZE": "6",
    "LOCAL_WORLD_SIZE": "3",
    "RANK": "4",
    "LOCAL_RANK": "1",
}
SLURM = {
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_JOB_NAME": "train",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NNODES": "2",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Processes(rank=0, world=1, nodes=1, local_rank=0)),
        (TORCHRUN, Processes(rank=4, world=6, nodes=2, local_rank=1)),
        (SLURM, Processes(rank=5, world=8, nodes=2, local_rank=1)),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, Processes()),  # a shell in an allocation
    ],
)
def test_processes(
    environment: dict[str, str], expected: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TORCHRUN | SLURM:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Processes.here() == expected
    assert Processes.here().device("cpu").type == "cpu"


def test_only_the_first_process_looks_at_a_folder_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".run.json.part").touch()
    with pytest.raises(RunFolderError, match="no run folder"):
        claim(tmp_path, Run())
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert claim(tmp_path, Run()) is False
    (tmp_path / RUN).touch()
    assert claim(tmp_path, Run()) is True
