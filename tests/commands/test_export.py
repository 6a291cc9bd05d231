"""export, import and conformance, from a trained run to what others make of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import s3nn
from s3nn.cli import main
from s3nn.experiment.conformance import conformance
from s3nn.experiment.exported import integer_graph, real_graph

TINY = ["--model.name", "mlp", "--model.width", "0.2", "--fit.epochs", "3", "--fit.threads", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "digits_mlp", *TINY, "--out", str(folder)]) == 0
    return folder


def accuracy(words: list[str], capsys: pytest.CaptureFixture[str]) -> float:
    assert main(words) == 0
    return float(capsys.readouterr().out.split()[0])


def test_there_and_back(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of ours, imported: the same accuracy and operations, compiled and exported again."""
    pytest.importorskip("nir")
    file, out = tmp_path / "net.nir", tmp_path / "imported"
    assert main(["export", str(run), "--dialect", "cuba", "--out", str(file)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\d+ of 32000 potentials equal their threshold", said)
    words = ["import", str(file), "--data.name", "digits", "--out", str(out)]
    assert main(words) == 0
    said = capsys.readouterr().out
    expected = accuracy(["eval", str(run)], capsys)
    assert float(said.split()[0]) == expected
    assert accuracy(["eval", str(out)], capsys) == expected
    assert accuracy(["eval", str(out), "--compiled"], capsys) == pytest.approx(expected, abs=1.5)
    one, two = (json.loads((folder / "counts.json").read_text()) for folder in (run, out))
    for key in ("macs", "acs"):
        assert sum(layer[key] for layer in one["layers"]) == sum(
            layer[key] for layer in two["layers"]
        )
    assert main(["energy", str(out)]) == 0
    assert main(["export", str(out), "--dialect", "if", "--integer"]) == 0
    assert "none can equal" in capsys.readouterr().out
    assert (out / "exported" / "nir-if-integer.nir").is_file()
    images = s3nn.open_run(run).data().test.images[:50]
    before, after = (s3nn.open_run(folder).predict(images) for folder in (run, out))
    np.testing.assert_allclose(after, before, atol=1e-5)
    # A folder that is there stays what it is.
    assert main(words) == 2
    assert "is not empty: choose another --out" in capsys.readouterr().err


def test_what_an_import_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "net.nir", tmp_path / "out"
    file.write_bytes(b"nothing of the kind")
    words = ["import", str(file), "--out", str(out)]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "not a NIR file" in said or "pip install 's3nn[export]'" in said
    assert said.count("\n") == 1
    assert [*tmp_path.iterdir()] == [file]


def test_an_imported_folder_that_is_damaged(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nir")
    file, out = tmp_path / "net.nir", tmp_path / "imported"
    assert main(["export", str(run), "--out", str(file)]) == 0
    assert main(["import", str(file), "--out", str(out)]) == 0
    tree = json.loads((out / "run.json").read_text())
    del tree["data"]["imported"]["mean"]
    (out / "run.json").write_text(json.dumps(tree))
    capsys.readouterr()
    assert main(["eval", str(out)]) == 2
    assert "import it again" in capsys.readouterr().err


def test_the_data_must_fit(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nir")
    from s3nn.errors import UsageError
    from s3nn.export import Pixels
    from s3nn.export.nir import Nir

    file = tmp_path / "net.nir"
    assert main(["export", str(run), "--out", str(file)]) == 0
    with pytest.raises(UsageError, match="but the images are"):
        Nir.read(file, Pixels(shape=(1, 28, 28)))
    assert main(["import", str(file), "--mean", "0.1", "--raw", "False", "--std", "0"]) == 2
    assert "std is above 0" in capsys.readouterr().err


def test_conformance_of_what_installs_quickly(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """snnTorch and onnxruntime: no spike is another, no integer logit differs."""
    for package in ("nir", "nirtorch", "snntorch", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    out = tmp_path / "found.json"
    words = ["conformance", str(run), "--tools", "snntorch", "onnxruntime", "--forms", "integer"]
    assert main([*words, "--images", "40", "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert "nir cuba" in said
    snn, onnx = json.loads(out.read_text())
    assert (snn["tool"], onnx["tool"]) == ("snntorch", "onnxruntime")
    assert sum(snn["neurons"].values()) == 40 * 160
    assert sum(snn["flips"].values()) == 0
    assert snn["logit_error"] < 1e-5
    assert onnx["logit_error"] == 0
    assert snn["agreement"] == onnx["agreement"] == 1
    assert snn["versions"]["snntorch"]


def test_conformance_sees_what_does_not_conform(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool that lets each neuron fire that should not, and one that is not there."""
    pytest.importorskip("nir")
    trained = s3nn.open_run(run)
    fake = tmp_path / "fake.py"
    fake.write_text(
        "import json, sys, numpy as np\n"
        "tool, path, images, out, names = sys.argv[1:]\n"
        "n = len(np.load(images))\n"
        "full = np.full((n, 10), 255, np.uint8)\n"
        "spikes = {f'spikes/{k}': full for k in json.load(open(names))}\n"
        "np.savez(out, versions=np.array('{}'), largest=np.array(1.0),\n"
        "         logits=np.ones((n, 10)), **spikes)\n"
    )
    monkeypatch.setattr("s3nn.experiment.conformance.worker.__file__", str(fake))
    graph = real_graph(trained)
    images = trained.data().test.images[:20].numpy()
    fired = {v.name: int(x.sum()) for v, x in graph.values(images) if v.name in graph.specs}
    (found,) = conformance(trained, images=20, tools=("norse",), dialects=("if",), forms=("real",))
    for layer, flips in found.flips.items():
        assert flips == found.neurons[layer] - fired[layer] > 0
    assert not found.exact
    assert found.logit_error is not None
    assert found.logit_error > 0.1
    pythons = {"norse": str(tmp_path / "no-python"), "sinabs": sys.executable}
    fake.write_text("raise SystemExit('no module of that name')")
    outcomes = conformance(
        *(trained,),
        images=20,
        tools=("norse", "sinabs"),
        dialects=("if",),
        forms=("integer",),
        pythons=pythons,
    )
    assert [outcome.tool for outcome in outcomes] == ["norse", "sinabs"]
    assert "no-python" in str(outcomes[0].not_run)
    assert outcomes[1].not_run == "no module of that name"


def test_conformance_writes_to_no_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", str(run), "--json", str(tmp_path)]) == 2
    assert "is a folder and no file" in capsys.readouterr().err


def test_conformance_refuses_what_it_does_not_know(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", str(run), "--python", "norse"]) == 2
    assert "write TOOL=PATH" in capsys.readouterr().err
    with pytest.raises(s3nn.UsageError, match="did you mean 'norse'"):
        conformance(s3nn.open_run(run), tools=("nors",))
    with pytest.raises(s3nn.UsageError, match="--images -1"):
        conformance(s3nn.open_run(run), images=-1)


def test_integers_for_floats_have_a_coarser_first_layer(run: Path) -> None:
    trained = s3nn.open_run(run)
    fine, coarse = (integer_graph(trained, in_floats=in_floats) for in_floats in (False, True))
    assert len(fine) == len(coarse)
    images = trained.data().test.images[:50].numpy()
    assert (fine.run(images).argmax(1) == coarse.run(images).argmax(1)).mean() > 0.9
