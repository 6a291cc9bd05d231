"""denoise: pictures of any size, grey and in colour, and what can be wrong with them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from s3nn.cli import main
from s3nn.clock import unroll
from s3nn.config import Data, Fit, Model, Optim, Run
from s3nn.experiment.denoise import answer_in_tiles, open_denoiser
from s3nn.experiment.train import train
from s3nn.models import Dncnn, Mlp, Parts

RUN = Run(
    task="denoising(sigma=25)",
    data=Data(name="digits", batch=64),
    model=Model(name="dncnn(depth=3)", width=0.1, neuron="iaf", steps=2),
    optim=Optim(name="adamw", lr=1e-2, loss="mse"),
    fit=Fit(epochs=1, threads=1),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(RUN, folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def classifier(run: Path) -> Path:
    folder = run.with_name("classifier")
    small = Run(data=RUN.data, model=Model(name="mlp", width=0.1), fit=RUN.fit)
    train(small, folder, progress=False)
    return folder


def picture(path: Path, mode: str = "L", width: int = 37, height: int = 23) -> Path:
    bands = {"L": (), "RGB": (3,)}[mode]
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, *bands), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_picture_beside_it_is_what_the_network_makes(
    run: Path, tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = picture(tmp_path / "garden.png", mode)
    assert main(["denoise", str(run), str(given)]) == 0
    out = tmp_path / "garden-denoised.png"
    assert capsys.readouterr().out == f"{out}\n"
    with Image.open(given) as before, Image.open(out) as after:
        assert (after.mode, after.size) == (mode, (37, 23))
        x = np.atleast_3d(np.asarray(before)).transpose(2, 0, 1)[:, None]
        found = np.atleast_3d(np.asarray(after)).transpose(2, 0, 1)
    trained = open_denoiser(run).trained
    mean, std = trained.mean[0], trained.std[0]
    shown = (torch.from_numpy(x.copy()).float() / 255 - mean) / std
    with torch.inference_mode():  # every colour for itself
        answers = torch.stack([trained.network(one[None])[0, 0] for one in shown])
    expected = ((shown[:, 0] - answers) * std + mean).clamp(0, 1) * 255
    # A potential that is rounded the other way may fire otherwise; of a thousand, none or a few.
    far = np.abs(found.astype(float) - expected.numpy()) > 0.51
    assert far.mean() < 0.01


def test_with_sigma_it_says_how_near_both_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = picture(tmp_path / "a.png", width=64, height=64)
    out = tmp_path / "b.tif"
    assert main(["denoise", str(run), str(given), "--sigma", "10", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    numbers = re.findall(r"(noisy|cleaned) +PSNR ([\d.]+) dB  SSIM ([\d.]+)", said)
    assert [name for name, *_ in numbers] == ["noisy", "cleaned"]
    # 20 log10(255 / 10) = 28.13, and a little more for what is clipped.
    assert 28 < float(numbers[0][1]) < 29
    with Image.open(given) as true, Image.open(out) as after:
        mse = np.square(np.asarray(true, float) - np.asarray(after, float)).mean()
    assert 10 * np.log10(255**2 / mse) == pytest.approx(float(numbers[1][1]), abs=0.02)
    main(["denoise", str(run), str(given), "--sigma", "10", "--out", str(tmp_path / "c.tif")])
    assert capsys.readouterr().out.splitlines()[:2] == said.splitlines()[:2]


def test_a_reference_is_the_true_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = picture(tmp_path / "a.png")
    words = ["denoise", str(run), str(given), "--reference", str(given)]
    assert main(words) == 0
    assert "noisy    PSNR inf dB  SSIM 1.0000" in capsys.readouterr().out


def test_wrong_requests_and_files(
    run: Path, classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", "RGB")
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    there = tmp_path / "there.png"
    there.write_bytes(b"years of work")
    for words, says in (
        ([classifier, given], "is no denoiser, its task is classification"),
        ([tmp_path, given], "is no run folder"),
        ([run, text], "cannot read .*notes.png as an image"),
        ([run, tmp_path / "none.png"], "cannot read .*none.png as an image"),
        ([run, given, "--out", there], "there.png exists: choose another --out"),
        ([run, given, "--out", tmp_path / "c.txt"], "c.txt is in no format to write"),
        ([run, given, "--sigma", "10", "--reference", given], "give one"),
        ([run, given, "--sigma", "0"], "0 < sigma <= 255"),
        ([run, given, "--reference", other], "give the true picture of the same size"),
    ):
        assert main(["denoise", *map(str, words)]) == 2
        assert re.search(says, capsys.readouterr().err)
    assert there.read_bytes() == b"years of work"
    assert not list(tmp_path.glob("*denoised*"))


@pytest.mark.parametrize(
    ("neuron", "steps"), [("relu", 1), ("fire(threshold=0.1)", 1), ("iaf(threshold=0.2)", 3)]
)
def test_pieces_answer_what_the_whole_does(neuron: str, steps: int) -> None:
    torch.manual_seed(0)
    model = Dncnn((1, 16, 16), 1, Parts(neuron), width=0.1, depth=4).double()
    network = unroll(model, steps).eval()
    x = torch.randn(2, 1, 41, 30, dtype=torch.float64)
    with torch.inference_mode():
        found, expected = answer_in_tiles(network, x, 16), network(x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    network.reach -= 1  # one pixel less is not enough
    with torch.inference_mode():
        assert not torch.allclose(answer_in_tiles(network, x, 16), expected, atol=1e-6)


def test_a_network_of_one_size_says_so() -> None:
    x = torch.zeros(1, 1, 9, 9)
    with pytest.raises(ValueError, match=r"takes images of 8x8 pixels, got 9x9"):
        answer_in_tiles(Mlp((1, 8, 8), 10), x, 16)
