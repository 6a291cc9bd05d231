"""What a step keeps, in bytes: counted on a network of its own, after everything is timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import torch
from torch import nn

from s3nn.lean import gradient
from s3nn.lean.measure import LiveBytes, activation_bytes
from training_step.timing import Batch, Step


@dataclass(frozen=True)
class Memory:
    """``activations``: alive between forward and backward, states of neurons too, parameters not.

    ``peak``: the most alive at any time in the step beside parameters and optimiser; gradients and
    scratch tensors count.
    """

    activations: int
    peak: int


def memory_of(network: nn.Module, step: Step, batch: Batch) -> Memory:
    step()  # the optimiser's momentum is made once and is nobody's activation
    _forget(network, batch)
    if batch.x.device.type == "cuda":
        return _allocated(network, step, batch)
    with torch.autocast("cpu", torch.bfloat16, enabled=batch.precision == "bf16"):
        activations = activation_bytes(network, batch.x)
    with LiveBytes() as live, _compiled_as_one_operator(live):
        step()
    return Memory(activations, live.peak)


@contextmanager
def _compiled_as_one_operator(live: LiveBytes) -> Iterator[None]:
    """Let the compiled gradients run as they do without ``live``, and count what they return."""
    with ExitStack() as held:
        for name in ("compiled_scaled", "compiled_given"):
            counted = live.one_operator(getattr(gradient, name)())
            held.enter_context(patch.object(gradient, name, lambda counted=counted: counted))
        yield


def _forget(network: nn.Module, batch: Batch) -> None:
    """Leave no gradients, and states of two images where neurons keep those of the last batch."""
    network.zero_grad()
    with torch.no_grad():
        network(batch.x[:2])


def _allocated(network: nn.Module, step: Step, batch: Batch) -> Memory:
    """What the CUDA allocator hands out, which rounds up by a little."""
    before = torch.cuda.memory_allocated()
    loss = batch.loss(network)
    activations = torch.cuda.memory_allocated() - before
    del loss
    _forget(network, batch)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return Memory(activations, torch.cuda.max_memory_allocated() - before)
