"""What only whole processes can show: kills, full disks, torchrun, start-up time."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from safetensors.numpy import load_file

ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
S3NN = [sys.executable, "-m", "s3nn"]
TRAIN = [*S3NN, "train", "digits_mlp", "--model.width", "0.1", "--fit.threads", "1"]


def call(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=ENV, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_killed_and_resumed_ends_at_the_same_weights(tmp_path: Path) -> None:
    command = [*TRAIN, "--fit.epochs", "25"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert call(*command, "--out", str(whole)).returncode == 0
    command_killed = [*command, "--out", str(killed)]
    with subprocess.Popen(command_killed, env=ENV, stderr=subprocess.PIPE, text=True) as p:
        wait_for_epochs(killed / "metrics.jsonl", 3, p)
        p.send_signal(signal.SIGKILL)
    assert not (killed / "model.safetensors").exists()
    assert call(*command, "--out", str(killed)).returncode == 0
    a, b = load_file(whole / "model.safetensors"), load_file(killed / "model.safetensors")
    assert a.keys() == b.keys()
    assert all((a[name] == b[name]).all() for name in a)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the write that crosses it fails."""
    out = tmp_path / "run"
    command = [*TRAIN, "--fit.epochs", "2", "--out", str(out)]
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1)); "
        f"from s3nn.cli import main; sys.exit(main({command[3:]!r}))"
    )
    failed = call(sys.executable, "-c", limited)
    assert failed.returncode == 1, failed.stderr
    assert "File too large" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not out.exists()
    assert call(*command).returncode == 0
    assert (out / "report.html").is_file()


def torchrun() -> list[str]:
    """Two processes on a port that no test beside this one uses."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    return [*launch, "--master_port", str(20000 + os.getpid() % 20000), "-m", "s3nn"]


def test_torchrun_with_two_processes_agrees_with_one(tmp_path: Path) -> None:
    flags = ["train", "digits_mlp", "--model.width", "0.1", "--fit.threads", "1"]
    flags += ["--fit.epochs", "10"]
    two = call(*torchrun(), *flags, "--out", str(tmp_path / "two"))
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("report.html") == 1, "only the first process speaks"
    assert call(*S3NN, *flags, "--out", str(tmp_path / "one")).returncode == 0
    accuracy = {
        name: json.loads((tmp_path / name / "result.json").read_text())["rows"][0]["accuracy"]
        for name in ("one", "two")
    }
    assert accuracy["one"]["mean"] > 0.75
    assert accuracy["two"]["mean"] == pytest.approx(accuracy["one"]["mean"], abs=0.06)


def test_two_processes_learn_from_a_teacher_in_parts_of_a_batch(tmp_path: Path) -> None:
    flags = ["train", "digits_mlp", "--model.width", "0.1", "--fit.threads", "1"]
    flags += ["--fit.epochs", "2", "--fit.accumulate", "2", "--teacher.row", "relu"]
    two = call(*torchrun(), *flags, "--out", str(tmp_path / "two"))
    assert two.returncode == 0, two.stderr
    rows = {
        name: json.loads((tmp_path / name / "result.json").read_text())["rows"][0]
        for name in ("two", "two-teacher")
    }
    assert (rows["two"]["name"], rows["two-teacher"]["name"]) == ("s3nn", "relu")
    assert rows["two"]["accuracy"]["mean"] > 0.3


@pytest.mark.parametrize("words", [["--help"], ["list"], ["train", "digits_cnn", "--help"]])
def test_help_needs_no_torch_and_is_quick(words: list[str]) -> None:
    check = (
        f"import sys, s3nn.cli; code = s3nn.cli.main({words!r}); "
        "sys.exit(3 if 'torch' in sys.modules else code)"
    )
    seconds = []
    for _ in range(3):
        # Processor time: what else the machine is doing is not ours to answer for.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert call(sys.executable, "-c", check).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if words != ["train", "digits_cnn", "--help"]:
        assert min(seconds) < 0.5, seconds


def test_an_interrupt_is_no_traceback(tmp_path: Path) -> None:
    command = [*TRAIN, "--fit.epochs", "400", "--out", str(tmp_path / "run")]

    def heed() -> None:  # a shell's background jobs, these tests among them, may ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, env=ENV, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as p:
        wait_for_epochs(tmp_path / "run" / "metrics.jsonl", 2, p)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
    assert p.returncode == 130
    assert "interrupted; the same command goes on" in err
    assert "Traceback" not in err


def test_a_killed_comparison_takes_its_trainings_with_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["compare", "digits_mlp", "--model.width", "0.1", "--fit.threads", "1"]
    words = [*S3NN, *words, "--rows", "s3nn", "--seeds", "1", "--out", str(out)]
    log = out / "s3nn" / "seed0" / "metrics.jsonl"
    with subprocess.Popen(
        [*words, "--fit.epochs", "4000"], env=ENV, stderr=subprocess.DEVNULL
    ) as p:
        wait_for_epochs(log, 2, p)
        p.kill()
    deadline = time.monotonic() + 60
    while (out / "s3nn" / "seed0" / ".lock").exists() and not _free(log.parent):
        assert time.monotonic() < deadline, "it trains on"
        time.sleep(0.05)
    epochs = log.read_text().count("\n")
    time.sleep(0.5)
    assert log.read_text().count("\n") == epochs < 4000


def _free(folder: Path) -> bool:
    """Whether no process trains in ``folder``."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            return True
    except Timeout:
        return False


def wait_for_epochs(log: Path, epochs: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= epochs):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.002)
