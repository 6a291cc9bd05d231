"""compile, bench, and eval and predict in compiled form, from a trained run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import s3nn
from s3nn.cli import main
from s3nn.energy import count
from s3nn.experiment.compiled import prepare, prepare_trained
from s3nn.graph.margins import margins
from s3nn.graph.nodes import Fire
from s3nn.models import Cnn7
from s3nn.native import find_compiler

TINY = ["--model.name", "mlp", "--model.width", "0.2", "--fit.epochs", "3", "--fit.threads", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "digits_mlp", *TINY, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("form", [[], ["--small", "--bits", "4"]])
def test_compile_writes_code_that_proves_itself(
    run: Path, form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", str(run), "--out", str(tmp_path), "--name", "digits", *form]) == 0
    said = capsys.readouterr().out
    assert "accuracy on" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["exact"]["holds"] is True
    assert len(report["layers"]) == 2
    assert 0 < report["sizes"]["additions"] < 80 * 80 + 80 * 10
    assert report["sizes"]["multiplications"] == 64 * 80
    sources = [str(tmp_path / "digits.c"), str(tmp_path / "digits_check.c")]
    check = str(tmp_path / "check")
    subprocess.run([*find_compiler(), "-O1", "-o", check, *sources], check=True)
    done = subprocess.run([check], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "8 of 8 exact" in done.stdout


def test_compiled_is_as_right_as_what_it_was(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shares = []
    for words in ([], ["--compiled"], ["--compiled", "--threads", "2"]):
        assert main(["eval", str(run), *words]) == 0
        shares.append(float(capsys.readouterr().out.split()[0]))
    assert shares[0] == pytest.approx(shares[1], abs=1.5)
    assert shares[1] == shares[2]


def test_predict_compiled_names_the_same_class(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = s3nn.open_run(run).data().test.images[3, 0].numpy()
    Image.fromarray(image).save(tmp_path / "digit.png")
    said = []
    for words in ([], ["--compiled"]):
        assert main(["predict", str(run), str(tmp_path / "digit.png"), "--top", "1", *words]) == 0
        said.append(capsys.readouterr().out.split()[-3:])
    assert said[0][0] == said[1][0]
    assert float(said[0][1]) == pytest.approx(float(said[1][1]), abs=15)


def test_every_test_image_of_digits_is_exact(run: Path) -> None:
    trained = s3nn.open_run(run)
    images = trained.data().test.images.numpy()
    for bits in (8, 6, 4, 2):
        found = prepare_trained(trained, bits=bits)
        np.testing.assert_array_equal(
            found.program()(images), found.quantised.integer.run(images), err_msg=f"{bits} bits"
        )


def test_logits_stand_for_those_of_the_network(run: Path) -> None:
    trained = s3nn.open_run(run)
    images = trained.data().test.images[:50]
    program = s3nn.compile(trained)
    compiled = torch.from_numpy(program(images.numpy()) * program.step).softmax(1)
    assert (compiled - trained.predict(images)).abs().mean() < 0.01


def test_a_neuron_behind_a_pool_is_counted_once() -> None:
    torch.manual_seed(0)
    network, pixels = Cnn7((1, 16, 16), 10, width=0.2), torch.randint(0, 256, (100, 1, 16, 16))
    pixels = pixels.to(torch.uint8)
    for _ in range(30):
        network(pixels / 255)
    counted = count(network.eval(), [pixels / 255]).firing_rate
    assert counted is not None
    assert prepare(network, pixels.numpy()).firing_rate == pytest.approx(counted, rel=0.05)


def test_margins_see_more_flips_with_fewer_bits(run: Path) -> None:
    trained = s3nn.open_run(run)
    images = trained.data().validation.images.numpy()
    fine, coarse = (
        margins(prepare_trained(trained, bits=bits).quantised, images) for bits in (8, 2)
    )
    for few, many in zip(fine[1:], coarse[1:], strict=True):
        assert few.flips < many.flips
        assert few.error < many.error
    for layer in (*fine, *coarse):
        assert 0 < layer.firing_rate < 1
        # A few wrong spikes of the layer in front make errors larger than a Gaussian has them.
        assert layer.flips / 4 - 2e-3 < layer.predicted_flips < 4 * layer.flips + 2e-3


def test_margins_of_large_networks_are_of_fewer_images(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = s3nn.open_run(run)
    images = trained.data().validation.images.numpy()
    found = prepare_trained(trained).quantised
    few = margins(found, images[:7])
    assert few != margins(found, images)
    neurons = sum(
        int(np.prod(found.real.specs[v.name].shape)) for v in found.real if isinstance(v.node, Fire)
    )
    monkeypatch.setattr("s3nn.graph.margins.MOST", 7.5 * neurons)
    assert margins(found, images) == few
    monkeypatch.setattr("s3nn.graph.margins.MOST", 1)
    assert margins(found, images) == margins(found, images[:1])


def test_a_network_of_ones_own_compiles() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(5 * 9, 7), nn.ReLU(), nn.Linear(7, 3)),
    )
    pixels = torch.randint(0, 256, (32, 2, 8, 8), dtype=torch.uint8)
    spiking = s3nn.spikify(net, calibrate=pixels / 255).eval()
    program = s3nn.compile(spiking, pixels)
    with torch.inference_mode():
        expected = spiking(pixels / 255).numpy()
    assert np.abs(program(pixels.numpy()) * program.step - expected).mean() < 0.05


def test_one_mean_and_std_for_all_channels() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 16, 9), nn.ReLU(), nn.Linear(9, 3))
    pixels = torch.randint(0, 256, (9, 2, 4, 4), dtype=torch.uint8)
    spiking = s3nn.spikify(net, calibrate=pixels / 127.5 - 1).eval()
    logits = [
        s3nn.compile(spiking, pixels, mean=mean, std=std)(pixels.numpy())
        for mean, std in ((0.5, 0.5), ([0.5], np.array(0.5)), ([0.5, 0.5], torch.full((2,), 0.5)))
    ]
    np.testing.assert_array_equal(logits[0], logits[1])
    np.testing.assert_array_equal(logits[0], logits[2])
    with pytest.raises(s3nn.UsageError, match="have 1 and 3 numbers for 2 channels"):
        s3nn.compile(spiking, pixels, mean=0.5, std=[0.5, 0.5, 0.5])


def test_a_network_whose_output_is_an_image_is_refused() -> None:
    pixels = torch.randint(0, 256, (9, 1, 6, 6), dtype=torch.uint8)
    net = s3nn.spikify(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 1))).eval()
    with pytest.raises(s3nn.UnsupportedError, match=r"output is an image .*\(2, 4, 4\)"):
        s3nn.compile(net, pixels)


def test_a_network_may_end_in_spikes_but_needs_images_to_calibrate_with() -> None:
    net = s3nn.spikify(nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.ReLU()))
    with pytest.raises(s3nn.UsageError, match="needs images to calibrate"):
        s3nn.compile(net)
    pixels = torch.randint(0, 256, (9, 1, 4, 4), dtype=torch.uint8)
    program = s3nn.compile(net.eval(), pixels)
    assert set(np.unique(np.rint(program(pixels.numpy()) * program.step))) <= {0, 1}


def test_bench_times_what_can_run_here(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(run), "--rounds", "3"]) == 0
    said = capsys.readouterr().out
    assert "s3nn compiled, 8 bits" in said
    assert "torch fp32, spiking" in said
    assert main(["bench", str(run), "--rounds", "1"]) == 2


def test_a_run_that_cannot_be_compiled_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "relu"
    words = ["--model.neuron", "relu", "--out", str(folder)]
    assert main(["train", "digits_mlp", *TINY, *words]) == 0
    capsys.readouterr()
    assert main(["compile", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "relu" in said
    assert "neuron=fire" in said
    assert not (folder / "compiled").exists()


def test_without_a_compiler_compile_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert main(["compile", str(run)]) == 1
    assert "no C compiler found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "says"), [("run", r"written in .*\(--out\)"), ("cache", "XDG_CACHE_HOME")]
)
def test_places_that_cannot_be_written_are_said_before_the_work(
    place: str,
    says: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_work(*words: object, **rest: object) -> None:
        raise AssertionError("this takes a while")

    theirs = run if place == "run" else tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("os.access", lambda path, mode: path != theirs)
    monkeypatch.setattr("s3nn.experiment.compiled.prepare_trained", no_work)
    assert main(["compile", str(run), "--out", str(run / "theirs")]) in (1, 2)
    err = capsys.readouterr().err
    assert re.search(says, err)
    assert str(theirs) in err
    assert err.count("\n") == 1


def test_a_network_of_several_steps_is_not_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "lif")
    words = ["--model.neuron", "lif", "--model.steps", "2", "--out", folder]
    assert main(["train", "digits_mlp", *TINY, *words]) == 0
    for command in (["compile"], ["export"]):
        capsys.readouterr()
        assert main([*command, folder]) == 2
        assert "of a network that runs for 2 time steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bench", "--batch", "100000"], "--batch 100000: the test split has 359 images"),
        (["bench", "--rounds", "1"], "--rounds 1: 2 or more"),
        (["compile", "--name", "layer0"], "'layer0' is a name of the parts of the C itself"),
        (["export", "--to", "onnx", "--dialect", "cuba"], "--dialect cuba is of NIR files"),
        (["conformance", "--python", "foo=/bin/false"], "unknown choice 'foo'"),
    ],
)
def test_what_cannot_be_is_said(
    run: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *flags = words
    assert main([command, str(run), *flags]) == 2
    assert says in capsys.readouterr().err


def test_a_twin_does_not_fire(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["bench", "--twin"], ["energy", "--rival"]):
        assert main([words[0], str(run), words[1], str(run)]) == 2
        assert "the rival fires" in capsys.readouterr().err


def test_pixels_are_predicted_as_they_are(run: Path) -> None:
    trained = s3nn.open_run(run)
    images = trained.data().test.images[:4]
    assert trained.predict(images).shape == (4, 10)
    with pytest.raises(s3nn.errors.DataError, match="uint8 from 0 to 255, and got torch"):
        trained.predict(images / 255)
    with pytest.raises(s3nn.errors.DataError, match="add a batch axis"):
        trained.predict(images[0])


def test_places_that_are_no_place_are_said_before_the_work(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("kept")
    folder.mkdir()
    for words in (
        ["report", str(run), "--out", str(file)],
        ["compile", str(run), "--out", str(file)],
        ["export", str(run), "--out", str(folder)],
        ["export", str(run), "--out", str(file / "x.nir")],
        ["pack", str(run), "--out", str(file / "x.zip")],
        ["load", str(run), "--out", str(file / "x")],
        ["train", "digits_mlp", "--out", str(file / "x")],
        ["eval", str(run / "run.json")],
    ):
        assert main(words) == 2, words
        err = capsys.readouterr().err
        assert "is a f" in err, err
        assert err.count("\n") == 1
    assert file.read_text() == "kept"
    assert list(folder.iterdir()) == []
