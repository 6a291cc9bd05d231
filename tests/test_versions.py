"""What is said of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3nn.versions import host

ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n"


@pytest.mark.parametrize(
    ("cpuinfo", "kind", "says"),
    [
        ("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n", "x86_64", "A CPU @ 2 GHz"),
        (ARM, "aarch64", "aarch64"),
        ("model name\t:\n", "riscv64", "riscv64"),
        (ARM, "", "unknown"),
    ],
)
def test_a_processor_has_a_name(
    cpuinfo: str, kind: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: cpuinfo)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: kind)
    assert host(1, None)["cpu"] == says
