"""The runtimes that a user would run instead: a trained ReLU network, made as fast as each can.

Each is set up for one batch size and one number of threads, since some compile for both.  torch's
number of threads is the process's: build and time the engines of one number before the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from s3nn.rivals.missing import NotRunError
from s3nn.rivals.quiet import no_telemetry
from s3nn.rivals.setting import Images, Logits, Run, Setting
from s3nn.rivals.simplify import simplified

BRING = "pip install -c constraints.txt -e '.[rivals]'"
COMPILER = "install a C++ compiler"


@dataclass(frozen=True)
class Engine:
    """A network ready to run.

    ``run`` maps normalised images, float32 (batch, C, H, W) in C order, to logits float32 (batch,
    classes), which the next call may overwrite.  ``setup`` says what was chosen.
    """

    name: str
    run: Callable[[Images], Logits]
    batch: int
    precision: str
    setup: str


@dataclass(frozen=True)
class LeftOut:
    """An engine that cannot be built here: why, and what would bring it."""

    name: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Rival:
    """How an engine is built: ``build`` of ``module``, which needs ``packages``."""

    module: str
    build: str
    precision: str
    packages: tuple[str, ...] = ()
    remedy: str = BRING

    def __call__(self, setting: Setting) -> tuple[Run, str]:
        for package in self.packages:
            try:
                with no_telemetry():
                    import_module(package)
            except Exception as error:  # a broken library raises more than ImportError
                reason = f"import {package}: {type(error).__name__}: {error}"
                raise NotRunError(reason, self.remedy) from error
        builder: Callable[[Setting], tuple[Run, str]] = getattr(
            import_module(f"s3nn.rivals.{self.module}"), self.build
        )
        return builder(setting)


_ONNX = ("onnx", "onnxscript", "onnxruntime")
_OPENVINO = ("onnx", "onnxscript", "openvino")

RIVALS = {
    "torch fp32": Rival("torch_engines", "eager", "fp32"),
    "torch fp32 compiled": Rival("torch_engines", "compiled", "fp32", remedy=COMPILER),
    "onnxruntime fp32": Rival("onnx_engines", "fp32", "fp32", _ONNX),
    "onnxruntime int8": Rival("onnx_engines", "int8", "int8", _ONNX),
    "openvino fp32": Rival("openvino_engines", "fp32", "fp32", _OPENVINO),
    "openvino bf16": Rival("openvino_engines", "bf16", "bf16", _OPENVINO),
    "openvino int8": Rival("openvino_engines", "int8", "int8", (*_OPENVINO, "nncf")),
}


def engines(
    network: nn.Module, calibration: NDArray[np.float32], batch: int, threads: int
) -> tuple[list[Engine], list[LeftOut]]:
    """Every rival that can be built here, and why each of the others cannot.

    Parameters
    ----------
    network: a trained ReLU network with real weights, (N, C, H, W) -> (N, classes).
    calibration: normalised training images, float32 (M, C, H, W), M >= batch: the int8 engines
        choose their scales on them.
    batch: how many images each call gets.
    threads: how many threads may work on one; torch's stays set for the process.
    """
    if len(calibration) < batch:
        raise ValueError(f"{len(calibration)} images to calibrate on make no batch of {batch}")
    torch.set_num_threads(threads)
    setting = Setting(simplified(network), calibration, batch, threads)
    built: list[Engine] = []
    left_out: list[LeftOut] = []
    for name, rival in RIVALS.items():
        try:
            run, setup = rival(setting)
        except NotRunError as error:
            left_out.append(LeftOut(name, error.reason, error.remedy))
        except Exception as error:  # whatever one runtime cannot build must not lose the others
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            left_out.append(LeftOut(name, reason, rival.remedy))
        else:
            built.append(Engine(name, run, batch, rival.precision, setup))
    return built, left_out
