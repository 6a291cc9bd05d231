"""What a user gets for a mistake: one sentence, the right exit code, nothing left behind."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from socket import AF_UNIX, socket
from tempfile import TemporaryDirectory

import pytest

from s3nn.cli import main
from s3nn.errors import UsageError
from s3nn.experiment.compare import LONGEST_SOCKET, _check_sockets

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
        (["compare", "digits_cnn", "--jobs", "0"], "1 network at a time or more, got jobs=0"),
        (["compare", "digits_cnn", "--rows", "s3nn-int99"], "2 to 16 bits, got 99"),
        (["train", "digits_cnn", "--seed", "9" * 20], "seed must be at most 4294967295"),
        (["train", "digits_cnn", "--fit.threads", "100000"], "fit.threads must be at most 1024"),
        (["train", "digits_cnn", "--optim.momentum", "1"], "optim.momentum"),
        (["train", "digits_cnn", "--data.validation", "inf"], "validation=inf is no number"),
        (["train", "digits_cnn", "--data.validation", "2.5"], "validation=2.5 is no number"),
        (["train", "digits_cnn", "--model.neuron", "fire(learn=false)"], "takes bool"),
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


def test_a_temporary_folder_too_long_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / ("a" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    assert main(["compare", "digits_mlp", *TINY, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert re.search(r"TMPDIR is too long for the socket .*: set a shorter one", err)
    assert not (tmp_path / "out").exists()


def test_the_longest_path_of_a_socket_is_the_systems() -> None:
    folder = Path("/tmp") / ("a" * (LONGEST_SOCKET - len("/tmp/") - 32))
    with pytest.raises(UsageError, match="TMPDIR is too long"):
        _check_sockets(folder.with_name(folder.name + "a"))
    _check_sockets(folder)
    with TemporaryDirectory(dir="/tmp") as place, socket(AF_UNIX) as one:
        one.bind(f"{place}/".ljust(LONGEST_SOCKET, "a"))
        with socket(AF_UNIX) as other, pytest.raises(OSError, match="too long"):
            other.bind(f"{place}/".ljust(LONGEST_SOCKET + 1, "a"))


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


def test_a_mistake_that_was_mended_takes_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert train(folder, "--optim.lr", "1e30") == 1
    assert train(folder, "--data.batch", "100000") == 2
    assert not folder.exists()
    assert train(folder) == 0


def test_a_page_that_is_missing_is_made_again(broken: Path) -> None:
    (broken / "report.html").unlink()
    assert train(broken) == 0
    assert (broken / "report.html").is_file()


def test_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert train(Path()) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here"]


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cat.png").write_bytes(b"a cat")
    out = str(tmp_path / "cat.png")
    assert train(tmp_path / "cat.png") == 2
    assert main(["compare", "digits_mlp", *TINY, "--out", out]) == 2
    assert capsys.readouterr().err.count("is a file and no folder: choose another place") == 2
    assert (tmp_path / "cat.png").read_bytes() == b"a cat"


@pytest.mark.parametrize("content", ["run", "page", "result"])
def test_a_comparison_replaces_nothing_else(
    content: str, broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content != "run":
        (broken / "run.json").unlink()
    if content == "page":
        (broken / "result.json").unlink()
    if content == "result":
        (broken / "result.json").write_text('{"a": 1}')
    before = {path.name: path.read_bytes() for path in broken.iterdir()}
    assert main(["compare", "digits_mlp", *TINY, "--out", str(broken)]) == 2
    err = capsys.readouterr().err
    assert "choose another --out" in err
    assert err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == before


def test_any_name_of_a_folder(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken.parent / "runs[").mkdir()
    odd = broken.rename(broken.parent / "runs[" / "b]")
    for command in ("energy", "lint", "compile"):
        assert main([command, str(odd)]) == 0
    assert "runs[/b]" in capsys.readouterr().out


def test_no_class_at_all(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run), "cat.png", "--top", "0"]) == 2
    assert "--top is how many classes are shown, 1 or more, got 0" in capsys.readouterr().err


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


def test_memory_that_runs_out_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["digits_mlp", "--model.width", "1e9", "--out", str(tmp_path / "run")]
    assert main(["train", *run]) == 1
    said = capsys.readouterr().err
    assert re.match(r"s3nn: out of memory \(\d+ bytes more were wanted\): take a smaller", said)
    assert said.count("\n") == 1
    assert main(["compare", *run, "--rows", "relu", "--seeds", "1"]) == 1
    assert "relu, seed 0 FAILED: out of memory" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
