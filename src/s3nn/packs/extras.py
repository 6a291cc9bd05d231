"""What a pack may hold beside the network itself: other forms of it, by a name each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from s3nn.errors import unknown_name
from s3nn.experiment.compiled import c_files, prepare_trained
from s3nn.experiment.exported import export_run
from s3nn.experiment.trained import Trained

# A network and raw test images (N, C, H, W) -> files by their names in the folder of the form.
Writer = Callable[[Trained, Tensor], dict[str, bytes]]


def _c(trained: Trained, images: Tensor) -> dict[str, bytes]:
    texts = c_files(prepare_trained(trained), "network", images.numpy())
    return {name: text.encode() for name, text in texts.items()}


def _onnx(trained: Trained, images: Tensor) -> dict[str, bytes]:
    real = _exported(trained, "network.onnx", to="onnx")
    return real | _exported(trained, "network-integer.onnx", to="onnx", integer=True)


def _nir(trained: Trained, images: Tensor) -> dict[str, bytes]:
    files = [_exported(trained, f"network-{d}.nir", to="nir", dialect=d) for d in DIALECTS]
    return {name: content for file in files for name, content in file.items()}


def _exported(trained: Trained, name: str, **how: Any) -> dict[str, bytes]:
    with TemporaryDirectory(prefix="s3nn-pack-") as folder:
        export_run(trained, Path(folder) / name, **how)
        return {name: (Path(folder) / name).read_bytes()}


DIALECTS = ("threshold", "cuba", "if")
# A new form of a network is one more line here: `s3nn pack --with NAME` finds it.
WRITERS: dict[str, Writer] = {"c": _c, "nir": _nir, "onnx": _onnx}


def extra_files(name: str, trained: Trained, images: Tensor) -> dict[str, bytes]:
    """The files of one form, named as they are in the pack."""
    if name not in WRITERS:
        raise unknown_name("form of a network to pack", name, WRITERS)
    return {f"{name}/{file}": content for file, content in WRITERS[name](trained, images).items()}
