"""What holds a network's spikes back in training: a penalty, or a budget."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from s3nn.clock import Race
from s3nn.config import Run
from s3nn.energy.spending import Spending
from s3nn.energy.watching import Watch
from s3nn.errors import UnsupportedError
from s3nn.penalties import Penalty
from s3nn.registry import PENALTIES
from s3nn.training.budget import Multiplier, check_feasible, spending_of

TINY = 1e-12  # in place of 0 / 0, where no neuron fires


class Restraint(nn.Module):
    """The terms of the loss that depend on spikes.

    With a penalty, ``lambda Omega``, Omega the mean over the batch; lambda rises linearly over the
    first ``ramp`` of the training.  With a budget, the term of ``Multiplier``, of what is spent on
    spikes; where a penalty is named too, its value stays and its gradient becomes the penalty's,
    that of ``spent / goal`` being ``spent / goal grad log(Omega)``.
    """

    def __init__(self, run: Run, network: nn.Module, spending: Spending | None) -> None:
        super().__init__()
        self.strength, self.ramp = run.penalty.strength or 0.0, run.penalty.ramp
        self.spending = spending
        self.penalty: Penalty | None = None
        if run.penalty.name is not None:
            self.penalty = PENALTIES.build(run.penalty.name, p=run.penalty.p)
            _can_see(self.penalty, run)
        self.watch = Watch(network, [m for m in (spending, self.penalty) if m is not None])
        self.price: Multiplier | None = None
        if spending is not None:
            assert run.budget.limit is not None
            self.price = Multiplier(run.budget.limit[1] - spending.fixed)

    def attached(self) -> AbstractContextManager[None]:
        return self.watch.attached()

    def begin(self) -> None:
        """A forward pass begins."""
        self.watch.begin()

    def spent(self, samples: int) -> Tensor:
        """What the spikes of the last forward pass cost, the mean over its samples."""
        assert self.spending is not None
        return self.watch.taken(self.spending) / samples

    def validated(self, spent: Tensor, epochs: int) -> None:
        """After one of ``epochs``, whose validation ``spent`` so much on an inference."""
        assert self.price is not None
        assert self.spending is not None
        self.price.validated(spent - self.spending.fixed, epochs)

    def loss(self, samples: int, step: int, steps: int) -> Tensor:
        """What the last forward pass adds to the loss of ``step`` of ``steps``."""
        omega = None if self.penalty is None else self.watch.taken(self.penalty) / samples
        if self.price is None:
            assert omega is not None
            risen = min(1.0, step / steps / self.ramp) if self.ramp else 1.0
            return (self.strength * risen * omega).float()
        spent = self.spent(samples)
        self.price.update(_everywhere(spent), step, steps)
        if omega is not None:
            spent = spent.detach() * omega / omega.detach().clamp(min=TINY)
        priced: Tensor = self.price(spent)
        return priced


def restraint_of(
    run: Run, network: nn.Module, shape: tuple[int, ...], spending: Spending | None = None
) -> Restraint | None:
    """What holds the spikes of ``network`` back in ``run``, None where nothing does.

    ``spending`` is that of the budget, if it was measured before.  A budget that no spikes at all
    would meet is a ``UsageError``.
    """
    if isinstance(network, Race) and (run.budget.limit or run.penalty.name is not None):
        raise UnsupportedError(
            "a budget or penalty of spikes that are times",
            f"model.neuron={run.model.neuron}",
            "drop --budget and --penalty; its neurons fire once at most",
        )
    if run.budget.limit is not None:
        Watch(network, [])  # which says so of a network without spikes
    spending = spending_of(run.budget, network, shape) if spending is None else spending
    if spending is None and run.penalty.name is None:
        return None
    if spending is not None:
        check_feasible(run.budget, spending)
    return Restraint(run, network, spending)


def _can_see(penalty: Penalty, run: Run) -> None:
    if penalty.of_potentials and (run.fit.step != "plain" or run.fit.window is not None):
        raise UnsupportedError(
            f"the {run.penalty.name} penalty, which reads membrane potentials",
            "--fit.step lean, compiled and events, --fit.window",
            "take --fit.step plain and no window, or --penalty.name synaptic",
        )
    if penalty.of_trials and run.fit.window is not None:
        raise UnsupportedError(
            f"the {run.penalty.name} penalty, which reads all time steps of a neuron at once",
            "--fit.window",
            "drop the window, or take --penalty.name l1",
        )


def _everywhere(value: Tensor) -> Tensor:
    """The mean of a number over all processes that train together."""
    value = value.detach().clone()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(value)
        value /= torch.distributed.get_world_size()
    return value
