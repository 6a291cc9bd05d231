"""What is packed arrives: the same network, the same words, the same bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import s3nn
from s3nn.cli import main
from s3nn.errors import UsageError
from s3nn.packs import load, open_pack, pack
from s3nn.packs.members import members
from s3nn.packs.read import unpack
from s3nn.report import measure, read_result, write_result


def test_a_network_arrives_as_it_was(run: Path, packed: Path) -> None:
    sent, arrived = s3nn.open_run(run), s3nn.load(packed)
    for name, value in sent.network.state_dict().items():
        assert torch.equal(arrived.network.state_dict()[name], value)
    images = sent.data().test.images[:20]
    assert torch.equal(arrived.predict(images), sent.predict(images))
    assert (arrived.run, arrived.classes) == (sent.run, sent.classes)


def test_a_zip_holds_what_a_folder_does_and_is_the_same_file_each_time(
    run: Path, packed: Path, tmp_path: Path
) -> None:
    zips = [tmp_path / "a.zip", tmp_path / "b.ZIP"]
    for path in zips:
        pack(run, path, images=4)
    assert zips[0].read_bytes() == zips[1].read_bytes()
    of_folder, of_zip = members(packed), members(zips[0])
    assert of_zip.manifest() == of_folder.manifest()
    assert of_zip.contents(of_zip.manifest()) == of_folder.contents(of_folder.manifest())
    with zipfile.ZipFile(zips[0]) as archive:
        assert archive.testzip() is None


def test_golden_vectors_are_the_networks_own(run: Path, packed: Path) -> None:
    """Spikes counted by hand from the layers' outputs, logits from the network in 64 bits."""
    from safetensors.torch import load_file

    from s3nn.data import normalise
    from s3nn.neurons import Neuron

    trained, vectors = s3nn.open_run(run), load_file(packed / "golden.safetensors")
    network, counted = trained.network.double(), []
    for layer in network.modules():
        if isinstance(layer, Neuron):
            layer.register_forward_hook(lambda m, i, out: counted.append(out.flatten(1).sum(1)))
    images = trained.data().test.images[:4]
    logits = network(normalise(images, trained.mean, trained.std).double())
    assert torch.equal(vectors["images"], images)
    torch.testing.assert_close(vectors["answers"], logits.detach(), rtol=1e-12, atol=1e-12)
    assert torch.equal(vectors["spikes"], torch.stack(counted, 1).long())
    assert int(vectors["spikes"].sum()) > 0


@pytest.mark.parametrize("model", ["lif", "iaf", "relu", "sign"])
def test_golden_vectors_of_other_neurons(model: str) -> None:
    from s3nn.config import Model, Run
    from s3nn.experiment.trained import Trained
    from s3nn.packs.golden import golden, prove, read_golden
    from s3nn.training.build import build_model

    steps = 3 if model in ("lif", "iaf") else 1
    asked = Model(name="mlp", width=0.1, neuron=model, steps=steps)
    network = build_model(asked, (1, 8, 8), 10)
    trained = Trained(Run(model=asked), network, (1, 8, 8), ("0",) * 10, (0.1,), (0.4,), "")
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    vectors = read_golden(golden(trained, images).to_bytes(), trained, "golden")
    assert vectors.spikes.shape == (3, 2 if steps == 3 else 0)
    assert prove(trained, vectors, "golden").error == 0


def test_the_card_says_what_the_result_says(run: Path, packed: Path) -> None:
    from s3nn.report import units

    text, row = (packed / "README.md").read_text(), read_result(run).rows[0]
    assert f"{100 * row.accuracy.mean:.2f} % on 359 test images" in text
    assert "CC BY 4.0" in text
    assert "embedded in scikit-learn" in text
    for name, energy in row.energy_pj.items():
        line = f"| {name} | {units.energy_text(energy)} |".replace("_", "\\_")
        assert line in text
    for layer in row.layers:
        if layer.firing_rate is not None:
            assert f"| {layer.name} | {units.percent_text(layer.firing_rate)} |" in text
    assert "seeds" not in text
    assert "license:" not in text


def test_the_interval_comes_from_the_comparison_that_the_run_is_of(
    run: Path, tmp_path: Path
) -> None:
    home = tmp_path / "study"
    shutil.copytree(run, home / "s3nn" / "seed0")
    result = read_result(run)
    mean = result.rows[0].accuracy.mean
    row = replace(result.rows[0], accuracy=measure([mean, mean + 0.02, mean + 0.01]))
    write_result(home, replace(result, rows=(row,), seeds=(0, 1, 2)))
    pack(home / "s3nn" / "seed0", tmp_path / "out", licence="apache-2.0")
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"{100 * mean + 1:.2f} ± 2.48 %" in text.replace("**", "")
    assert "over 3 seeds" in text
    assert 'license: "apache-2.0"' in text
    found = open_pack(tmp_path / "out").comparison
    assert found is not None
    assert found.rows[0].accuracy.per_seed[0] == mean
    other = replace(row, accuracy=measure([0.5]))
    write_result(tmp_path / "other", replace(result, rows=(other,)))
    with pytest.raises(UsageError, match="has no row 's3nn' with the score of"):
        pack(run, tmp_path / "out2", comparison=tmp_path / "other")


def test_a_result_of_other_weights_is_not_packed(run: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "run"))
    result = read_result(other)
    write_result(other, replace(result, rows=(replace(result.rows[0], name="relu"),)))
    with pytest.raises(UsageError, match=r"is of relu and its weights are of s3nn: train the run"):
        pack(other, tmp_path / "out")


def test_places_on_this_machine_do_not_travel(run: Path, tmp_path: Path) -> None:
    from s3nn.packs.write import _paths, _travelling
    from s3nn.training.folder import describe

    given = describe(run).run
    given = replace(given, data=replace(given.data, name="folder:/home/me/x", folder="/home/me"))
    command = "s3nn train --data.name folder:/home/me/x --fit.epochs 3"
    tree = {
        "run": given.to_json(),
        "command": f"{command} --fit.start=/home/me/first --out '/home/my work/run' /",
    }
    told = json.loads(_travelling(tree, _paths(given, tree["command"])))
    assert told["run"]["data"]["name"] == "folder:x"
    assert told["command"] == command.replace("/home/me/", "") + " --fit.start=first --out 'run' /"
    assert "/home" not in json.dumps(told)


def test_a_converted_network_says_where_from_and_no_more(tmp_path: Path) -> None:
    relu, made, out = (tmp_path / "private" / name for name in ("relu", "spikes", "pack"))
    words = ["train", "digits_mlp", "--model.width", "0.1", "--model.neuron", "relu"]
    assert main([*words, "--fit.epochs", "1", "--out", str(relu)]) == 0
    assert main(["convert", str(relu), "--steps", "2", "--out", str(made)]) == 0
    manifest = pack(made, out)
    for name in manifest.files:
        assert b"private" not in (out / name).read_bytes(), name
    assert json.loads((out / "conversion.json").read_text())["of"] == "relu"
    assert "s3nn train" not in (out / "README.md").read_text()
    assert open_pack(out).proof.images == 8


def test_what_is_there_is_left_alone(run: Path, packed: Path, tmp_path: Path) -> None:
    before = sorted((p.name, p.stat().st_mtime_ns) for p in packed.iterdir())
    pack(run, packed, images=4)  # the very same
    assert sorted((p.name, p.stat().st_mtime_ns) for p in packed.iterdir()) == before
    with pytest.raises(UsageError, match="is there and is not this pack"):
        pack(run, packed, images=5)
    other = tmp_path / "other.zip"
    other.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there and is not this pack"):
        pack(run, other)
    assert other.read_bytes() == b"mine"
    with pytest.raises(UsageError, match="is there"):
        unpack(open_pack(packed), packed)


@pytest.mark.parametrize("name", ["half", "half.zip"])
def test_nothing_half_written_is_left(
    run: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        pack(run, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_commands(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["pack", str(run), "--out", "a.zip", "--with", "c"]) == 0
    assert "a.zip: 10 files" in capsys.readouterr().out
    assert main(["load", "a.zip", "--out", "again"]) == 0
    said = capsys.readouterr().out
    assert "also as: c" in said
    assert "8 golden images fire as they did" in said
    assert main(["eval", "again"]) == 0
    accuracy = read_result(run).rows[0].accuracy.mean
    assert f"{100 * accuracy:.2f} % of 359 test images" in capsys.readouterr().out
    assert main(["energy", "again"]) == 0
    build = ["cc", "-O1", "network.c", "network_check.c", "-o", "check"]
    subprocess.run(build, cwd="again/c", check=True)
    done = subprocess.run(["./check"], cwd="again/c", capture_output=True, text=True)
    assert "8 of 8 exact" in done.stdout
    # It is a run folder, and what it packs to is the same network.
    pack("again", "b.zip")
    assert torch.equal(*(load(z).network.readout.weight for z in ("a.zip", "b.zip")))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pack", "nowhere", "--out", "x"], "nowhere is no run folder"),
        (["pack", "RUN", "--out", "x", "--with", "onx"], "unknown form of a network to pack 'onx'"),
        (["pack", "RUN", "--out", "x", "--images", "0"], "1 to 64 golden images, got 0"),
        (["load", "nowhere.zip"], "there is no pack at nowhere.zip"),
        (["load", "RUN"], "is no pack: it has no pack.json"),
        (["load", "hf://nowhere"], "is no place on the hub: write hf://owner/name"),
    ],
)
def test_a_mistake_in_the_request(
    words: list[str],
    says: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(run) if word == "RUN" else word for word in words]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_answers_with_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from s3nn.config import Data, Fit, Model, Optim, Run
    from s3nn.experiment.train import train

    settings = Run(
        task="denoising(sigma=25)",
        data=Data(name="digits", batch=64),
        model=Model(name="dncnn", width=0.0625),
        optim=Optim(lr=0.01, loss="mse"),
        fit=Fit(epochs=1, threads=1),
    )
    train(settings, tmp_path / "run", progress=False)
    pack(tmp_path / "run", tmp_path / "out.zip")
    found = open_pack(tmp_path / "out.zip")
    assert (found.proof.images, found.proof.error) == (8, 0)
    card = found.contents["README.md"].decode()
    images = found.result.rows[0].images
    assert images is not None
    assert f"## PSNR\n\n- {images.psnr_db.mean:.2f} dB on 359 test images" in card
    assert main(["load", str(tmp_path / "out.zip")]) == 0
    assert f"PSNR {images.psnr_db.mean:.2f} dB on 359 test images" in capsys.readouterr().out


def test_a_network_on_a_chip_is_not_packed(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    text = (folder / "run.json").read_text()
    model = '"seed": null,\n      "mismatch"'
    assert model in text
    (folder / "run.json").write_text(text.replace(model, '"seed": 3,\n      "mismatch"'))
    with pytest.raises(UsageError, match="chip"):
        pack(folder, tmp_path / "out")


def test_other_forms_travel_along(run: Path, tmp_path: Path) -> None:
    """The files that s3nn export writes, which its own tests hold against the network."""
    for package in ("nir", "onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"pip install 's3nn[export]' brings {package}")
    pack(run, tmp_path / "out", extras=("nir", "onnx"))
    found = open_pack(tmp_path / "out")
    forms = {name for name in found.contents if "/" in name}
    assert forms == {
        *(f"nir/network-{dialect}.nir" for dialect in ("threshold", "cuba", "if")),
        *("onnx/network.onnx", "onnx/network-integer.onnx"),
    }
    assert "Neuromorphic Intermediate Representation" in found.contents["README.md"].decode()


def test_an_imported_network_is_not_packed(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    (folder / "network.nir").write_bytes(b"")
    with pytest.raises(UsageError, match="a pack of a network that was imported is not supp"):
        pack(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
