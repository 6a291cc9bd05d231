"""Before anything is timed: does a row compute what ours computes?"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from s3nn.surrogates import S3, spike
from training_step.architecture import Architecture
from training_step.compiling import or_not_run
from training_step.peers import PEERS
from training_step.rows import COMPILED, build, plain

SAMPLES = 8
MOST_SPIKES_APART, MOST_GRADIENT_ERROR = 1e-4, 1e-3


@dataclass(frozen=True)
class Parity:
    """How far a row's network is from its twin among ours, on one batch in 32 bits.

    ``spikes_apart`` of ``spikes`` that convolutions and read-out see differ; the errors are the
    norm of the difference over the norm.  Gradients are not held to a bar where ``apart`` says why.
    """

    row: str
    twin: str
    mode: str
    spikes: int
    spikes_apart: int
    logits_error: float
    gradient_error: float
    gradients_equal: bool
    apart: str

    @property
    def holds(self) -> bool:
        spikes = self.spikes_apart <= MOST_SPIKES_APART * self.spikes
        return spikes and not (self.gradients_equal and self.gradient_error > MOST_GRADIENT_ERROR)


def check_spike() -> None:
    """The spike and its gradient against the equation, value by value, in float64."""
    u = torch.linspace(-2, 4, 601, dtype=torch.float64, requires_grad=True)
    s = spike(u, 1.0, S3(alpha=4.0, beta=1.0))
    s.sum().backward()
    step = torch.sigmoid(4 * (u.detach() - 1))
    expected = torch.where(u.detach() > 1, 1 / u.detach().clamp(min=1), 4 * step * (1 - step))
    torch.testing.assert_close(s.detach(), (u.detach() > 1).double(), rtol=0, atol=0)
    torch.testing.assert_close(u.grad, expected, rtol=1e-12, atol=1e-12)


@dataclass(frozen=True)
class Twin:
    """The network of ours that a row is held against, and how far the two have to agree."""

    name: str
    network: nn.Module
    training: bool = True
    gradients: bool = True
    apart: str = ""


def check_row(row: str, architecture: Architecture, x: Tensor, y: Tensor) -> Parity | None:
    """The row against its twin; None if it is our plain network, NotRunError if it cannot run."""
    with ExitStack() as held:
        network = build(row, architecture, held)
        twin = _twin(row, architecture)
        if twin is None:
            return None
        if row.endswith(COMPILED):
            held.enter_context(or_not_run())
        for module in (network, twin.network):
            module.to(x.device, memory_format=torch.channels_last)
        parity = _compared(row, network, twin, x[:SAMPLES], y[:SAMPLES])
    if not parity.holds:
        raise AssertionError(f"this row does not compute what its twin does: {parity}")
    return parity


def _twin(row: str, architecture: Architecture) -> Twin | None:
    if row not in PEERS:
        name, way = plain(row)
        return Twin(name, architecture.row(name)) if way else None
    peer = PEERS[row]
    name = f"{peer.twin}, {peer.steps} step{'s' * (peer.steps > 1)}"
    network = architecture.neuron(peer.twin, peer.steps)
    return Twin(name, network, peer.training, peer.gradients, peer.apart)


def _compared(row: str, network: nn.Module, twin: Twin, x: Tensor, y: Tensor) -> Parity:
    if not twin.training:
        _settle(twin.network, network, x)
    found, expected = _step(network, x, y), _step(twin.network, x, y)
    pairs = list(zip(found.spikes, expected.spikes, strict=True))
    return Parity(
        row=row,
        twin=twin.name,
        mode="training" if twin.training else "evaluation",
        spikes=sum(b.numel() for _, b in pairs),
        spikes_apart=sum(int((a != b).sum()) for a, b in pairs),
        logits_error=_error(found.logits, expected.logits),
        gradient_error=_error(found.gradient, expected.gradient),
        gradients_equal=twin.gradients,
        apart=twin.apart,
    )


@dataclass(frozen=True)
class _Step:
    logits: Tensor
    spikes: list[Tensor]
    gradient: Tensor


def _step(network: nn.Module, x: Tensor, y: Tensor) -> _Step:
    """Logits, what every layer behind the first reads, and all gradients in a row."""
    read: dict[nn.Module, list[Tensor]] = {}

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read.setdefault(layer, []).append(inputs[0].detach())

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    logits = network(x)
    for hook in hooks:
        hook.remove()
    cross_entropy(logits, y).backward()
    gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    return _Step(logits.detach(), [torch.cat(read[layer]) for layer in layers[1:]], gradient)


def _settle(twin: nn.Module, network: nn.Module, x: Tensor) -> None:
    """Both in evaluation mode with the statistics of ``x`` in the twin, so that neurons fire."""
    pairs = [[m for m in of.modules() if isinstance(m, nn.BatchNorm2d)] for of in (twin, network)]
    for norm in pairs[0]:
        norm.momentum = 1.0
    twin(x)
    for mine, theirs in zip(*pairs, strict=True):
        theirs.load_state_dict(mine.state_dict())
    twin.eval()
    network.eval()


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
