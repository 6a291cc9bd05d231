"""snnTorch's networks: ``snn.Leaky`` with hidden states in a loop over time.

As in its tutorial 6 ("Surrogate Gradient Descent in a Convolutional SNN", snntorch.readthedocs.io):
``init_hidden=True``, states to zero, then the whole network once a step; the default surrogate.
``utils.reset`` reaches every Leaky of the process; the neurons' own ``reset_mem``, which it calls,
keeps to this network.
"""

from __future__ import annotations

from collections.abc import Iterable

import snntorch as snn
from torch import nn

from training_step.architecture import Architecture
from training_step.peers.layers import Looped, PeerParts


def network(architecture: Architecture, steps: int) -> nn.Module:
    # One step has nothing to reset: "none" saves it the work.  "zero" is the reset of our lif.
    reset = "none" if steps == 1 else "zero"
    parts = PeerParts(make=lambda: snn.Leaky(beta=0.5, init_hidden=True, reset_mechanism=reset))
    return Looped(architecture.parts(parts), steps, _rest)


def _rest(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        if isinstance(module, snn.Leaky):
            module.reset_mem()
