"""What a run cannot be trained with, found before it is."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec

import torch
from torch import nn

from s3nn.config import Run
from s3nn.errors import UsageError
from s3nn.losses import make_loss
from s3nn.native import find_compiler
from s3nn.neurons import make_neuron
from s3nn.registry import name_of
from s3nn.training.callbacks import surrogates_of

CXX = "clang++" if sys.platform == "darwin" else "g++"  # what torch looks for without $CXX


def check_settings(run: Run) -> None:
    """A ``UsageError`` for what this machine lacks, and for settings that go past each other."""
    if run.fit.tensorboard and find_spec("tensorboard") is None:
        raise UsageError(
            "--fit.tensorboard needs the package tensorboard: pip install 's3nn[tensorboard]'"
        )
    if run.fit.strategy == "fsdp" and not torch.cuda.is_available():
        raise UsageError("--fit.strategy fsdp shards over GPUs and there is none here: use ddp")
    if run.fit.step == "compiled":
        _check_cxx()
    if run.fit.step == "events":
        find_compiler()
    if run.fit.step == "compiled" and run.optim.sharpen != 1:
        raise UsageError("--optim.sharpen would compile the step anew each epoch: use step lean")
    loss = make_loss(run.optim.loss)
    if run.optim.label_smoothing and not loss.smooths:
        raise UsageError(
            f"optim.label_smoothing={run.optim.label_smoothing:g} does nothing to the loss "
            f"{run.optim.loss}, which is no cross-entropy: pass --optim.label-smoothing 0"
        )
    loss.check_steps(run.model.steps)
    loss.check_outputs(None if run.model.output is None else make_neuron(run.model.output, 1))


def _check_cxx() -> None:
    """A ``UsageError`` where torch has no C++ compiler: it takes ``$CXX``, or this system's own."""
    wanted = os.environ.get("CXX", CXX)
    if shutil.which(wanted) is None:
        given = f"CXX={wanted}, which is to name one program, without flags"
        tried = given if "CXX" in os.environ else CXX
        raise UsageError(
            f"--fit.step compiled needs a C++ compiler (looked for {tried}): install {CXX}, name "
            "one with CXX=..., or use --fit.step lean"
        )


def check_sharpens(run: Run, network: nn.Module) -> None:
    """A ``UsageError`` where surrogates are to become steeper and none of them can."""
    found = [surrogate for _, surrogate in surrogates_of(network)]
    if run.optim.sharpen != 1 and found and all(s == s.sharper(2) for s in found):
        raise UsageError(
            f"optim.sharpen={run.optim.sharpen:g} does nothing to the surrogate "
            f"{name_of(found[0])}, which has no slope and no width: pass --optim.sharpen 1"
        )
