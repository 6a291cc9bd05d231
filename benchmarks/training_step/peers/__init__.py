"""The rows of other libraries: each built in a file of its own, the way its documentation says.

A file has ``network(architecture, steps)``, a module that maps images (N, C, H, W) to logits (N,
classes) and starts at rest whenever it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import nn

from s3nn.rivals.missing import NotRunError
from training_step.architecture import Architecture

BRING = (
    "pip install -c constraints.txt -e '.[bench]' && pip uninstall -y torchvision torchaudio "
    "(make bench does both)"
)


@dataclass(frozen=True)
class Peer:
    """A row of another library, and the network of ours that computes the same.

    ``twin`` is our neuron with the same equation.  ``gradients`` says whether the twin's are to be
    equal too; ``apart``, if not empty, why the two cannot agree in training mode or in gradients.
    """

    library: str
    package: str
    steps: int
    twin: str
    gradients: bool = True
    training: bool = True
    apart: str = ""

    def network(self, architecture: Architecture) -> nn.Module:
        try:
            import_module(self.package)
        except Exception as error:  # beside the wrong torchvision: RuntimeError, OSError
            reason = f"import {self.package}: {type(error).__name__}: {error}"
            raise NotRunError(reason, BRING) from error
        module = import_module(f"training_step.peers.{self.library}")
        build: Callable[[Architecture, int], nn.Module] = module.network
        return build(architecture, self.steps)


_EVERY_STEP = "the loop normalises each step's batch by itself, ours all steps together"

PEERS = {
    "spikingjelly-if": Peer(
        "spikingjelly", "spikingjelly.activation_based", 1, "fire(surrogate=s3(alpha=4.0,beta=1.0))"
    ),
    "spikingjelly-lif-t4": Peer("spikingjelly", "spikingjelly.activation_based", 4, "lif"),
    "snntorch-t1": Peer("snntorch", "snntorch", 1, "fire(surrogate=arctan)"),
    "snntorch-t4": Peer("snntorch", "snntorch", 4, "lif", training=False, apart=_EVERY_STEP),
    "norse-t1": Peer("norse", "norse.torch", 1, "fire(surrogate=superspike(slope=1.0))"),
    "norse-t4": Peer(
        *("norse", "norse.torch", 4, "lif"),
        gradients=False,
        training=False,
        apart=f"{_EVERY_STEP}; its reset is not a constant to backward, its surrogate is wider",
    ),
}
