"""Tasks: what they show, what they want, and how they score it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from s3nn.config import Data, Model, Optim, Run, Teacher
from s3nn.data import Batches, Split
from s3nn.errors import UsageError
from s3nn.experiment.judging import in_bytes, ssim
from s3nn.losses import Mse
from s3nn.registry import TASKS
from s3nn.tasks import MOST_DB, Classification, Denoising, Posed, Reconstruction, psnr_db
from s3nn.training.asked import task_of

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
DENOISING = Run(task="denoising", model=Model(name="dncnn"), optim=Optim(loss="mse"))


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def images(number: int = 4, side: int = 64) -> tuple[Tensor, Tensor]:
    """Pixels in 0.2..0.8, and these normalised."""
    pixels = torch.rand(number, 3, side, side, generator=noise()) * 0.6 + 0.2
    return pixels, (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@pytest.mark.parametrize("name", TASKS.names())
def test_the_wanted_answer_is_a_perfect_one(name: str) -> None:
    task = TASKS.build(name, classes=4, mean=MEAN, std=STD)
    pixels, x = images()
    labels = torch.arange(4)
    shown, wanted = task.pose(x, labels, noise())
    if task.of_images:
        torch.testing.assert_close(task.says(shown, wanted), pixels)
        exact = task.metric()(task.says(shown, wanted), task.says(shown, wanted))
        assert float(exact) == pytest.approx(MOST_DB), "a number, that means of others go on with"
        worse = task.says(shown, wanted + 0.1)
        assert task.metric()(worse, pixels) < 50
    else:
        logits = torch.eye(4)[wanted] * 9
        assert task.metric()(task.says(shown, logits), wanted) == 1
        assert task.metric()(task.says(shown, logits), wanted.flip(0)) == 0
    assert task.score in ("accuracy", "psnr_db")


@pytest.mark.parametrize("sigma", [15.0, 50.0])
def test_noise_is_white_and_of_its_deviation_in_grey_levels(sigma: float) -> None:
    task = Denoising(1, MEAN, STD, sigma=sigma)
    pixels, x = images()
    shown, n = task.pose(x, torch.arange(4), noise())
    torch.testing.assert_close(shown - n, x)
    grey = n * torch.tensor(STD)[:, None, None] * 255
    deviations = grey.std((0, 2, 3))
    torch.testing.assert_close(deviations, torch.full((3,), sigma), rtol=0.02, atol=0)
    assert abs(float((grey[..., 1:] * grey[..., :-1]).mean())) < 0.02 * sigma**2
    # Were it not clipped, 20 log10(255 / sigma); clipping only helps.
    found = float(psnr_db(task.pixels(shown), pixels).mean())
    assert 0 <= found - 20 * np.log10(255 / sigma) < 1


def test_noise_of_a_picture_does_not_depend_on_the_batch_it_comes_in() -> None:
    task, (_, x) = Denoising(1, MEAN, STD), images()
    whole, _ = task.pose(x, torch.arange(4), noise())
    drawn = noise()
    parts = [task.pose(part, torch.arange(2), drawn)[0] for part in x.split(2)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)


def test_noise_is_fresh_in_training_and_fixed_in_evaluation() -> None:
    split = Split(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64))
    task = Denoising(1)

    def drawn(batch: int = 6, **when: int) -> Tensor:
        clean = Batches(split, batch_size=batch, mean=[0.0], std=[1.0])
        posed = Posed(clean, task, **{k: v for k, v in when.items() if k != "epoch"})
        posed.set_epoch(when.get("epoch", 0))
        assert len(posed) == len(clean)
        return torch.cat([wanted for _, wanted in posed])

    assert torch.equal(drawn(), drawn(batch=4, epoch=3))
    first = drawn(seed=0)
    assert torch.equal(first, drawn(seed=0))
    others = [drawn(), drawn(seed=1), drawn(seed=0, epoch=1), drawn(seed=0, rank=1)]
    assert not any(torch.equal(first, other) for other in others)


def test_a_reconstruction_is_the_image_and_a_class_is_the_label() -> None:
    _, x = images()
    labels = torch.arange(4)
    assert all(part is x for part in Reconstruction(1).pose(x, labels, noise()))
    shown, wanted = Classification(4).pose(x, labels, noise())
    assert shown is x
    assert wanted is labels


def test_psnr_and_ssim_are_those_of_their_formulas() -> None:
    """PSNR by its definition; SSIM with scipy's Gaussian of the same extent, reflected borders."""
    from scipy.ndimage import gaussian_filter

    true, other = torch.rand(3, 1, 20, 24), torch.rand(3, 1, 20, 24)
    a, b = (t[:, 0].double().numpy() for t in (true, other))
    expected = -10 * np.log10(((a - b) ** 2).mean((1, 2)))
    np.testing.assert_allclose(psnr_db(other, true).numpy(), expected, rtol=1e-5)

    def mean(z: np.ndarray) -> np.ndarray:
        return gaussian_filter(z, 1.5, mode="mirror", truncate=3.5)

    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        c1, c2 = 0.01**2, 0.03**2
        whole = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        assert float(ssim(other, true)[i]) == pytest.approx(whole.mean(), abs=1e-4)
    assert in_bytes(torch.tensor([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]


def test_the_squared_error_is_that_of_its_formula() -> None:
    answer, wanted = torch.randn(4, 2, 3, 5), torch.randn(4, 2, 3, 5)
    squares = (answer - wanted).square()
    torch.testing.assert_close(Mse()(answer[None], answer, wanted), squares.mean())
    half = squares.sum((1, 2, 3)).mean() / 2
    torch.testing.assert_close(Mse(total=True)(answer[None], answer, wanted), half)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (Run(task="denoising"), "task=denoising asks for an image and model.name=cnn7 is of"),
        (
            Run(task="reconstruction", model=Model(name="dncnn")),
            "optim.loss=cross_entropy is of logits: take --optim.loss mse",
        ),
        (Run(model=Model(name="dncnn")), "asks for logits and model.name=dncnn is of images"),
        (Run(optim=Optim(loss="mse")), "take --optim.loss cross_entropy"),
    ],
)
def test_parts_that_answer_another_question_are_refused(run: Run, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        task_of(run.check(), 10, [0.5], [0.5])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": Data(mixup=0.2)}, "data.mixup=0.2 .* pass --data.mixup 0"),
        ({"data": Data(cutout=4)}, "data.cutout=4 is about classes"),
        ({"optim": Optim(loss="mse", label_smoothing=0.1)}, "pass --optim.label-smoothing 0"),
        ({"teacher": Teacher(row="relu")}, "pass --teacher.share 0"),
        ({"model": Model(name="dncnn", readout="weighted")}, "pass --model.readout mean"),
        ({"model": Model(name="dncnn", output="lif")}, "model.output=lif"),
    ],
)
def test_settings_of_classes_are_refused(change: dict[str, object], says: str) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match=says):
        task_of(replace(DENOISING, **change).check(), 10, [0.5], [0.5])  # type: ignore[arg-type]


def test_unknown_tasks_and_levels_of_noise_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown task 'denoise': did you mean 'denoising'"):
        Run(task="denoise").check()
    for sigma in (0, 256):
        with pytest.raises(UsageError, match=f"0 < sigma <= 255.*{sigma}"):
            Denoising(1, sigma=sigma)
