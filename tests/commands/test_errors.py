"""What a user gets for a mistake: one sentence, the right exit code, nothing left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from s3nn.cli import main

TINY = ["--model.name", "mlp", "--model.width", "0.1", "--fit.epochs", "1", "--fit.threads", "1"]


def train(out: Path, *flags: str) -> int:
    return main(["train", "digits_mlp", *TINY, "--out", str(out), *flags])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert train(folder) == 0
    return folder


@pytest.fixture
def broken(run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, to break."""
    return Path(shutil.copytree(run, tmp_path / "broken"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian"], "unknown command 'trian': did you mean 'train'?"),
        (["train"], "needs a recipe"),
        (["train", "digit_cnn"], "unknown recipe 'digit_cnn': did you mean 'digits_cnn'?"),
        (["train", "digits_cnn", "--model.name", "cnn"], "unknown model 'cnn': did you mean"),
        (["train", "digits_cnn", "--model.neuron", "fier"], "did you mean 'fire'?"),
        (
            ["train", "digits_cnn", "--model.neuron", "fire(surrogate=sigmiod)"],
            "unknown surrogate 'sigmiod': did you mean 'sigmoid'?",
        ),
        (
            ["train", "digits_cnn", "--model.neuron", "fire(thresold=1)"],
            "unknown option of neuron fire 'thresold': did you mean 'threshold'?",
        ),
        (
            ["train", "digits_cnn", "--model.neuron", "fire(threshold=0)"],
            "a threshold must be > 0, got 0",
        ),
        (["train", "digits_cnn", "--model.neuron", "fire(threshold=-1.5)"], "got -1.5"),
        (["train", "digits_cnn", "--model.neuron", "fire(("], "cannot read 'fire(('"),
        (["train", "digits_cnn", "--model.synapse", "intger(bits=4)"], "did you mean 'integer'?"),
        (["train", "digits_cnn", "--data.name", "fashon_mnist"], "did you mean 'fashion_mnist'?"),
        (["train", "digits_cnn", "--fit.epochs", "0"], "fit.epochs must be 1 or more, got 0"),
        (["train", "digits_cnn", "--optim.lr", "-1"], "optim.lr must be > 0, got -1"),
        (["train", "digits_cnn", "--model.width", "0"], "model.width must be > 0"),
        (["train", "digits_cnn", "--model.steps", "4"], "use steps=1, or a temporal neuron"),
        (["train", "digits_cnn", "--model.name", "vgg11"], "vgg11 halves its input"),
        (["compare", "digits_cnn", "--rows", "s3n"], "unknown row 's3n': did you mean 's3nn'?"),
        (["compare", "digits_cnn", "--rows", "lif"], "write lif-t4"),
        (["compare", "digits_cnn", "--rows", "relu", "relu"], "a row is named twice"),
        (["compare", "digits_cnn", "--seeds", "0"], "at least one seed"),
        (["eval", "nowhere"], "nowhere is no run folder"),
        (["energy", "nowhere"], "nowhere"),
        (["lint", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["list", "recipe"], "unknown kind 'recipe': did you mean 'recipes'?"),
    ],
)
def test_a_mistake_in_the_request(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1, "one sentence, on one line"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [], "nothing may be left behind"


def test_a_wrong_flag_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits_cnn", "--optim.rl", "1"]) == 2
    assert "--optim.lr" in "".join(capsys.readouterr())


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digit_cnn", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_another_run_in_the_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((p.name, p.stat().st_mtime_ns) for p in run.iterdir())
    assert train(run, "--optim.lr", "0.5") == 2
    assert "holds another run (optim.lr: 0.05 -> 0.5)" in capsys.readouterr().err
    assert sorted((p.name, p.stat().st_mtime_ns) for p in run.iterdir()) == before


def test_the_same_run_again_only_shows_it(run: Path) -> None:
    before = (run / "result.json").stat().st_mtime_ns
    assert train(run) == 0
    assert (run / "result.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run": 1}', '{"run": {"sed": 0}}'])
def test_a_damaged_run_json(broken: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / "run.json").write_text(content)
    assert main(["eval", str(broken)]) == 2
    assert "run.json" in capsys.readouterr().err


def test_damaged_weights(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert main(["eval", str(broken)]) == 2
    assert "model.safetensors is damaged" in capsys.readouterr().err


def test_weights_of_another_network(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (broken / "run.json").read_text()
    (broken / "run.json").write_text(text.replace('"width": 0.1', '"width": 0.2'))
    assert main(["eval", str(broken)]) == 2
    assert "does not fit run.json" in capsys.readouterr().err


def test_a_damaged_result(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / "result.json").write_text('{"rows": []')
    assert main(["report", str(broken)]) == 2
    assert "result.json" in capsys.readouterr().err


def test_an_image_of_the_wrong_size(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    path = tmp_path / "cat.png"
    Image.new("RGB", (32, 32)).save(path)
    assert main(["predict", str(run), str(path)]) == 2
    assert "cat.png is 32x32 RGB, the network takes 8x8 grey: pass --resize" in (
        capsys.readouterr().err
    )
    assert main(["predict", str(run), str(path), "--resize"]) == 0
    assert "%" in capsys.readouterr().out


def test_no_image_at_all(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run), "missing.png"]) == 2
    assert "missing.png" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--optim.lr", "1e38", "--optim.schedule", "constant", "--optim.warmup", "0"]
    assert train(tmp_path / "run", *flags) == 1
    assert "the loss is" in capsys.readouterr().err
