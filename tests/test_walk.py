"""docs/walk.md, run as it stands; and networks of the user's own where something is wrong."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import s3nn
from s3nn import own
from s3nn.cli import main
from s3nn.errors import UsageError
from s3nn.models import Parts
from s3nn.registry import MODELS

WALK = Path(__file__).resolve().parents[1] / "docs" / "walk.md"

NET = """
from torch import nn
import torch.nn.functional as F

class _Hidden(nn.Module): pass

class MyNet(nn.Module):
    "Plain."
    def __init__(self, classes, depth=1):
        super().__init__()
        self.layers = nn.Sequential(*[nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU())
                                      for _ in range(depth)])
        self.readout = nn.LazyLinear(classes)
    def forward(self, x):
        return self.readout(self.layers(x).flatten(1))
"""


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Models that a test adds are gone after it."""
    before = dict(MODELS.entries)
    yield
    MODELS.entries.clear()
    MODELS.entries.update(before)
    own._files.clear()
    for name in [name for name in sys.modules if name.startswith("_s3nn_own_")]:
        del sys.modules[name]


def test_the_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for kind, text in re.findall(r"^```(python|sh)\n(.*?)^```", WALK.read_text(), re.S | re.M):
        if text.startswith("# my_net.py"):
            Path("my_net.py").write_text(text)
        elif kind == "python":
            exec(text, names)
        else:
            for line in text.splitlines():
                command, *words = shlex.split(line)
                assert command == "s3nn"
                if words[0] == "export" and find_spec("nir") is None:
                    continue  # the extra that the page names is not there
                assert main(words) == 0, line
    assert names["accuracy"] > 0.8
    results = {name: read(f"runs/{name}/result.json")["rows"][0] for name in ("relu", "spiking")}
    assert results["relu"]["firing_rate"] is None
    assert 0 < results["spiking"]["firing_rate"] < 0.9
    assert names["accuracy"] == results["spiking"]["accuracy"]["mean"]
    assert [row["name"] for row in read("runs/compared/result.json")["rows"]] == ["relu", "s3nn"]
    assert "8 golden images fire as they did" in capsys.readouterr().out
    assert Path("my_net.zip").is_file()
    # Without the file, a run of it says what is missing, and executes nothing.
    _forget_models()
    for words in (["eval", "runs/spiking"], ["load", "my_net.zip"]):
        assert main(words) == 2
        assert "unknown model 'my_net'" in (said := capsys.readouterr().err)
        assert "a model of your own: --models FILE.py" in said
    build = ["cc", "-O1", "network.c", "network_check.c", "-o", "check"]
    subprocess.run(build, cwd="runs/arrived/c", check=True)
    subprocess.run(["./check"], cwd="runs/arrived/c", check=True, capture_output=True)


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def _forget_models() -> None:
    del MODELS.entries["my_net"]


def write(path: Path, text: str = NET) -> Path:
    path.write_text(text)
    return path


def test_every_row_of_a_plain_network_has_the_same_layers(tmp_path: Path) -> None:
    assert s3nn.add_models(write(tmp_path / "net.py")) == ["my_net"]
    assert MODELS.entries["my_net"].summary == "Plain."
    states = []
    for neuron, synapse in (("relu", "real"), ("fire", "real"), ("sign", "binary")):
        model = s3nn.Run().with_model(name="my_net(depth=2)", neuron=neuron, synapse=synapse).model
        network = s3nn.build_model(model, (1, 8, 8), 3)
        assert network(torch.randn(2, 1, 8, 8)).shape == (2, 3)
        states.append({n for n in network.state_dict() if n.endswith(("weight", "bias"))})
    assert states[0] == states[1] == states[2]
    kind = sys.modules[MODELS.entries["my_net"].module].MyNet
    torch.manual_seed(3)
    ours = s3nn.build_model(s3nn.Run().with_model(name="my_net", neuron="relu").model, (1, 8, 8), 3)
    torch.manual_seed(3)
    plain = kind(3)
    x = torch.randn(4, 1, 8, 8)
    plain(x)
    plain.load_state_dict({k.removeprefix("network."): v for k, v in ours.state_dict().items()})
    assert torch.equal(ours(x), plain(x))


def test_one_that_takes_parts_is_built_as_ours_are(tmp_path: Path) -> None:
    text = "from s3nn.models.mlp import Mlp\n\nclass Wide(Mlp):\n    pass\n"
    assert s3nn.add_models(write(tmp_path / "wide.py", text)) == ["wide"]
    model = s3nn.Run().with_model(name="wide", neuron="lif", steps=2, width=0.1).model
    assert s3nn.build_model(model, (1, 8, 8), 3)(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_the_same_file_again_is_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "net.py")
    first = s3nn.add_models(path)
    assert s3nn.add_models(path) == first
    assert own.added_files() == (str(path),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "has no network: write a class that derives from nn.Module"),
        ("from torch.nn import Linear", "has no network"),
        ("import nowhere", "cannot be imported (ModuleNotFoundError: No module named 'nowhere')"),
        ("def f(:", "cannot be imported (SyntaxError"),
        ("from torch import nn\nclass Cnn7(nn.Module): pass", "the model cnn7 is there already"),
        ("import sys\nsys.exit('usage')", "cannot be imported (SystemExit: usage)"),
        (
            "from torch import nn\nclass HTTPNet(nn.Module): pass\nclass Httpnet(nn.Module): pass",
            "the model httpnet is there already",
        ),
    ],
)
def test_files_that_cannot_be_added(tmp_path: Path, text: str, says: str) -> None:
    before = dict(MODELS.entries)
    with pytest.raises(UsageError) as error:
        s3nn.add_models(write(tmp_path / "net.py", text))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert MODELS.entries == before


@pytest.mark.parametrize("name", ["nowhere.py", "net.txt", "."])
def test_files_that_are_none(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.txt").write_text(NET)
    assert main(["list", "--models", str(tmp_path / name)]) == 2
    assert "is no Python file with networks of your own" in capsys.readouterr().err
    assert main(["list", "--models"]) == 2
    assert "--models needs a Python file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 0.5}, "the model my_net has one width: leave model.width at 1, got 0.5"),
        ({"name": "my_net(deep=2)"}, "unknown option of model my_net 'deep': did you mean 'depth'"),
        ({"name": "my_net(depth=0)"}, "has no ReLU"),
        ({"neuron": "lif", "steps": 2}, "derive it from s3nn.models.SpikingModel"),
    ],
)
def test_what_a_plain_network_cannot_be(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    s3nn.add_models(write(tmp_path / "net.py"))
    run = s3nn.Run().with_model(**{"name": "my_net", **changes})
    with pytest.raises(UsageError) as error:
        s3nn.build_model(run.model, (1, 8, 8), 3)
    assert says in str(error.value)


def test_logits_of_another_number(tmp_path: Path) -> None:
    text = NET.replace("nn.LazyLinear(classes)", "nn.LazyLinear(7)")
    s3nn.add_models(write(tmp_path / "net.py", text))
    with pytest.raises(
        UsageError, match=r"makes \(2, 7\) of images \(2, 1, 8, 8\): it should make"
    ):
        s3nn.build_model(s3nn.Run().with_model(name="my_net").model, (1, 8, 8), 3)


def test_a_run_json_does_not_name_a_file(tmp_path: Path) -> None:
    """The rule of own.py: a name in a run.json is a name of the registry, and no path."""
    path = write(tmp_path / "evil.py", "open('executed', 'w')")
    for name in (f"{path}:Net", str(path), "evil", "evil.py"):
        tree = s3nn.Run().to_json()
        tree["model"]["name"] = name
        with pytest.raises(UsageError):
            s3nn.Run.from_json(tree)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("body", "spec", "says"),
    [
        (
            "def __init__(self, hidden): super().__init__()",
            "odd",
            "needs hidden: write --model.name",
        ),
        (
            "def __init__(self):\n        super().__init__(); self.l = nn.Linear(784, 10)\n"
            "    def forward(self, x): return self.l(x.flatten(1))",
            "odd",
            r"cannot be built for images \(1, 8, 8\) and 10 classes \(RuntimeError: mat1",
        ),
    ],
)
def test_networks_that_cannot_be_built_say_why(
    tmp_path: Path, body: str, spec: str, says: str
) -> None:
    text = f"from torch import nn\nclass Odd(nn.Module):\n    {body}\n"
    s3nn.add_models(write(tmp_path / "odd.py", text))
    try:
        with pytest.raises(UsageError, match=says):
            MODELS.build(spec, input_shape=(1, 8, 8), classes=10, parts=Parts(), width=1.0)
    finally:
        del MODELS.entries["odd"]
