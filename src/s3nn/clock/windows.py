"""Training through time piece by piece, so that memory need not grow with the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

from s3nn.clock.pools import ChargePool
from s3nn.clock.scan import Scan, passing
from s3nn.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from s3nn.clock.unroll import Unroll

States = dict[Scan, Any]

# Windows in a row of which no state is kept.
RESTARTED = 8


@dataclass(frozen=True)
class Windows:
    """Windows of ``steps`` time steps that go through the whole network one after the other.

    The neurons' states are handed from window to window.  A batch-norm sees one window at a time,
    in place of all T steps: its statistics, and so the trained network, are others.

    recompute: keep nothing of a window, and run it again for its backward pass, from the states
        that it began with.  To have them, up to ``RESTARTED`` windows in a row are run again from
        the first of them, so that n of them take n (n + 1) / 2 forward passes and one state; more
        are halved until they are as few, and the states in the middle kept.  Running statistics
        move once.
    truncate: a state passes no gradient from one window to the one before it.

    Sources: Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174
    (recomputation, by halves in section 4.3); Williams & Peng, "An efficient gradient-based
    algorithm for on-line training of recurrent network trajectories", Neural Computation 2 (1990)
    (truncation).
    """

    steps: int
    recompute: bool = False
    truncate: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"a window has 1 step or more, got {self.steps}")

    def outputs(self, network: Unroll, x: Tensor) -> Tensor:
        """The outputs of every step, (T, N, classes), of ``network`` for images x (N, C, H, W)."""
        return _Walk(self, network, x).outputs()


class _Walk:
    """One forward pass in windows."""

    def __init__(self, windows: Windows, network: Unroll, x: Tensor) -> None:
        self.windows, self.network = windows, network
        self.scans = [module for module in network.modules() if isinstance(module, Scan)]
        if any(isinstance(module, ChargePool) for module in network.modules()):
            raise UnsupportedError(
                "going through time in windows",
                "max-pools of charges, which see every step at once",
                "drop --fit.window, or the neurons' option pool=charge",
            )
        if not network.encoder.constant:
            self.shown = network.encoder(x)
        elif windows.recompute:
            self.shown = _redone(network, network.encode, x)
        else:
            self.shown = network.encode(x)

    def outputs(self) -> Tensor:
        found, _ = self.span(0, self.network.steps, {})
        return found

    def span(self, first: int, last: int, states: States) -> tuple[Tensor, States]:
        """Steps ``first`` to ``last`` - 1: their outputs (k, N, classes) and the states after."""
        size = self.windows.steps
        if last - first <= size:
            return self.window(first, last, states)
        count = -(-(last - first) // size)
        # All but the last window, to be run again from their beginning; of many, the first half.
        half = first + size * (count - 1 if count <= RESTARTED else count // 2)
        early, states = self.kept(first, half, states)
        if self.windows.truncate:
            states = _detached(states)
        if count <= RESTARTED:
            late, states = self.window(half, last, states)
        else:
            late, states = self.kept(half, last, states)
        return torch.cat([early, late]), states

    def kept(self, first: int, last: int, states: States) -> tuple[Tensor, States]:
        """``span``, of which nothing but ``states`` is kept for backward where it is recomputed."""
        if not self.windows.recompute:
            return self.span(first, last, states)
        found: tuple[Tensor, States] = _redone(self.network, self.span, first, last, states)
        return found

    def window(self, first: int, last: int, states: States) -> tuple[Tensor, States]:
        steps, network = last - first, self.network
        if network.encoder.constant:
            current = torch.cat([self.shown] * steps) if steps > 1 else self.shown
        else:
            folded = self.shown.unflatten(0, (network.steps, -1))[first:last]
            current = network.encode(folded.flatten(0, 1))
        with passing(self.scans, steps, states) as passage:
            outputs = network.outputs(current)
        return outputs.unflatten(0, (steps, -1)), passage.leaving


def _redone(network: nn.Module, function: Callable[..., Any], *given: Any) -> Any:
    """``function(*given)``, run again for its backward pass; running statistics move once."""
    return checkpoint(
        *(function, *given),
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _statistics_stand(network)),
    )


def _detached(states: Mapping[Scan, Any]) -> States:
    return {
        scan: tree_map(lambda value: value.detach() if isinstance(value, Tensor) else value, state)
        for scan, state in states.items()
    }


def _statistics_stand(network: nn.Module) -> AbstractContextManager[None]:
    """Inside, the running statistics of batch-norms do not move."""
    return _standing([m for m in network.modules() if isinstance(m, _BatchNorm)])


@contextmanager
def _standing(norms: list[_BatchNorm]) -> Iterator[None]:
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm, _, tracked in before:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if tracked is None else tracked.clone()
    try:
        yield
    finally:
        for norm, momentum, tracked in before:
            norm.momentum, norm.num_batches_tracked = momentum, tracked
