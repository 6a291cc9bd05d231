"""Networks whose answer is an image: trained, measured, reported and opened again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from s3nn.cli import main
from s3nn.config import Data, Fit, Model, Optim, Run, Teacher
from s3nn.errors import UsageError
from s3nn.experiment.combine import combine
from s3nn.experiment.train import train
from s3nn.experiment.trained import open_run
from s3nn.report import read_result, write_merged_report
from s3nn.report.details import read_details
from s3nn.report.merging import merge

DENOISER = Run(
    recipe="quick",
    task="denoising(sigma=50)",
    data=Data(name="digits", batch=32),
    model=Model(name="dncnn(depth=4)", width=0.25, neuron="relu"),
    optim=Optim(name="adamw", lr=2e-2, loss="mse"),
    fit=Fit(epochs=8, threads=1),
)
SPIKING = replace(
    DENOISER,
    model=replace(DENOISER.model, neuron="iaf(learn=True)", steps=3),
    fit=Fit(epochs=2, threads=1),
)


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "relu"
    train(DENOISER, folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def spiking(denoiser: Path) -> Path:
    """From the weights of the first."""
    folder = denoiser.with_name("iaf")
    teacher = Teacher(folder=str(denoiser), share=0, start=True)
    train(replace(SPIKING, teacher=teacher), folder, progress=False)
    return folder


def test_it_learns_and_validation_picks_by_psnr(denoiser: Path) -> None:
    (row,) = read_result(denoiser).rows
    assert row.images is not None
    assert row.images.shown_psnr_db == pytest.approx(16.3, abs=0.3)
    assert row.images.psnr_db.mean > row.images.shown_psnr_db + 1.5
    (curve,) = row.curves.validation_psnr_db
    assert row.images.validation_psnr_db.mean == max(curve)
    assert (row.accuracy, row.confusion, row.curves.validation_accuracy) == (None, (), ())
    assert row.score == row.images.psnr_db
    lines = (denoiser / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["validation_score"] for line in lines] == list(curve)


def test_the_score_is_of_the_pictures_that_are_kept(denoiser: Path) -> None:
    result = read_result(denoiser)
    details = read_details(denoiser, result.rows)
    found, shown = details.pictures["relu"], details.shown
    assert shown is not None
    true = details.images.astype(float)
    for pictures in (found, shown):
        mse = ((pictures.images - true) ** 2).mean((1, 2, 3))
        # Pictures are rounded to bytes, and pixels at both ends are clipped before.
        np.testing.assert_allclose(10 * np.log10(255**2 / mse), pictures.psnr_db, atol=0.02)
    assert found.psnr_db.mean() > shown.psnr_db.mean()


def test_opened_again_it_scores_the_same(
    denoiser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = open_run(denoiser)
    expected = read_result(denoiser).rows[0].score.mean
    assert trained.score(trained.data().test) == pytest.approx(expected, abs=1e-4)
    assert main(["eval", str(denoiser)]) == 0
    assert f"{expected:.2f} dB of 359 test images" in capsys.readouterr().out


def test_its_pages_speak_of_psnr(denoiser: Path, spiking: Path, tmp_path: Path) -> None:
    write_merged_report([denoiser, spiking], tmp_path)
    text, page = ((tmp_path / f"report.{kind}").read_text() for kind in ("md", "html"))
    for each in (text, page):
        assert " dB" in each
        assert "ccuracy" not in each
    assert "test PSNR" in text
    assert "SSIM" in text
    assert "What the images look like" in page
    assert "validation PSNR, dB" in page


def test_it_starts_at_the_relu_network_and_spikes(denoiser: Path, spiking: Path) -> None:
    (row,) = read_result(spiking).rows
    assert row.name == "iaf-t3"
    assert 0 < (row.firing_rate or 0) < 1
    network = open_run(spiking).network
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 1, 8, 8)
    first = json.loads((spiking / "metrics.jsonl").read_text().splitlines()[0])
    assert first["validation_psnr_db"] > 10
    layers = {layer.name: layer for layer in row.layers}
    assert layers["readout"].macs == 0
    assert layers["readout"].acs > 0


def test_seeds_combine_and_classifiers_do_not_mix(denoiser: Path, tmp_path: Path) -> None:
    result = read_result(denoiser)
    row = result.rows[0]
    both = combine([row, row])
    assert both.images is not None
    assert both.images.psnr_db.per_seed == (row.score.mean,) * 2
    assert len(both.curves.validation_psnr_db) == 2
    classifier = Run(
        data=DENOISER.data, model=Model(name="mlp", width=0.1), fit=Fit(epochs=1, threads=1)
    )
    other = train(classifier, tmp_path / "run", progress=False)
    with pytest.raises(UsageError, match=r"judged by its PSNR and .* by its accuracy"):
        merge([result, other])


@pytest.mark.parametrize("command", [["predict", "x.png"], ["compile"]])
def test_what_is_about_classes_says_so(
    denoiser: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *rest = command
    if rest:
        from PIL import Image

        rest = [str(denoiser.with_name("x.png"))]
        Image.new("L", (9, 9)).save(rest[0])  # of another size: that is not what is wrong
    assert main([name, str(denoiser), *rest]) == 2
    assert "of a network that answers with images is not supported" in capsys.readouterr().err


def test_an_autoencoder_is_scored_by_the_image_itself(tmp_path: Path) -> None:
    run = replace(DENOISER, task="reconstruction", fit=Fit(epochs=2, threads=1))
    (row,) = train(run, tmp_path / "run", progress=False).rows
    assert row.images is not None
    assert row.images.shown_psnr_db is None
    assert row.score.mean > 12


def test_a_killed_run_sees_the_same_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3nn.losses import mse
    from s3nn.training.folder import WEIGHTS

    run = replace(DENOISER, fit=Fit(epochs=2, threads=1))
    train(run, tmp_path / "whole", progress=False)
    real, calls = mse.mse_loss, 0

    def dies(*given: torch.Tensor, **options: str) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 40:  # in the second epoch
            raise RuntimeError("the machine went away")
        return real(*given, **options)

    monkeypatch.setattr(mse, "mse_loss", dies)
    with pytest.raises(RuntimeError, match="went away"):
        train(run, tmp_path / "broken", progress=False)
    monkeypatch.undo()
    train(run, tmp_path / "broken", progress=False)
    whole, broken = ((tmp_path / name / WEIGHTS).read_bytes() for name in ("whole", "broken"))
    assert whole == broken
