"""What holds a network's spikes back in training: a penalty, or a budget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from s3nn.clock import Race
from s3nn.config import Run
from s3nn.energy.spending import Spending
from s3nn.energy.watching import Meter, Watch, check_spikes
from s3nn.errors import UnsupportedError
from s3nn.penalties import Penalty
from s3nn.registry import PENALTIES, name_of
from s3nn.training.budget import Multiplier, check_feasible, spending_of

TINY = 1e-12  # in place of 0 / 0, where no neuron fires


class Restraint(nn.Module, ABC):
    """A term of the loss that depends on the spikes of the last forward pass."""

    def __init__(self, network: nn.Module, *meters: Meter) -> None:
        super().__init__()
        self.watch = Watch(network, meters)

    def attached(self) -> AbstractContextManager[None]:
        return self.watch.attached()

    def begin(self) -> None:
        """A forward pass begins."""
        self.watch.begin()

    @abstractmethod
    def loss(self, samples: int, step: int, steps: int) -> Tensor:
        """What the last forward pass, of ``samples``, adds to the loss of ``step`` of ``steps``."""


class Penalised(Restraint):
    """``lambda Omega``, Omega the mean over the batch.

    lambda rises linearly to ``strength`` over the first ``ramp`` of the training.
    """

    def __init__(self, network: nn.Module, penalty: Penalty, strength: float, ramp: float) -> None:
        super().__init__(network, penalty)
        self.penalty, self.strength, self.ramp = penalty, strength, ramp

    def loss(self, samples: int, step: int, steps: int) -> Tensor:
        risen = min(1.0, step / steps / self.ramp) if self.ramp else 1.0
        omega = self.watch.taken(self.penalty) / samples
        return (self.strength * risen * omega).float()


class Budgeted(Restraint):
    """The term of ``Multiplier``, of what ``spending`` says is spent on spikes, ``most`` at most.

    Where there is a ``penalty`` its value stays and its gradient becomes the penalty's, that of
    ``spent / goal`` being ``spent / goal grad log(Omega)``.
    """

    def __init__(
        self, network: nn.Module, spending: Spending, most: float, penalty: Penalty | None = None
    ) -> None:
        super().__init__(network, spending, *([] if penalty is None else [penalty]))
        self.spending, self.most, self.penalty = spending, most, penalty
        self.price = Multiplier(most - spending.fixed)

    def spent(self, samples: int) -> Tensor:
        """What an inference spent in the last forward pass, the mean over its samples."""
        return self.spending.fixed + self._on_spikes(samples)

    def _on_spikes(self, samples: int) -> Tensor:
        return self.watch.taken(self.spending) / samples

    def validated(self, spent: Tensor, epochs: int) -> None:
        """After one of ``epochs``, whose validation ``spent`` so much on an inference."""
        self.price.validated(spent - self.spending.fixed, epochs)

    def loss(self, samples: int, step: int, steps: int) -> Tensor:
        spent = self._on_spikes(samples)
        self.price.update(_everywhere(spent), step, steps)
        if self.penalty is not None:
            omega = self.watch.taken(self.penalty) / samples
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
    limit, asked = run.budget.limit, run.penalty
    if limit is None and asked.name is None:
        return None
    if isinstance(network, Race):
        raise UnsupportedError(
            "a budget or penalty of spikes that are times",
            f"model.neuron={run.model.neuron}",
            "drop --budget and --penalty; its neurons fire once at most",
        )
    penalty: Penalty | None = None
    if asked.name is not None:
        penalty = PENALTIES.build(asked.name)
        _can_see(penalty, run)
    check_spikes(network)
    if limit is not None:
        if spending is None:
            spending = spending_of(run.budget, network, shape)
        check_feasible(run.budget, spending)
        return Budgeted(network, spending, limit[1], penalty)
    assert penalty is not None
    return Penalised(network, penalty, asked.strength or 0.0, asked.ramp)


def _can_see(penalty: Penalty, run: Run) -> None:
    if penalty.of_potentials and (run.fit.step != "plain" or run.fit.window is not None):
        raise UnsupportedError(
            f"the {name_of(penalty)} penalty, which reads membrane potentials",
            "--fit.step lean, compiled and events, --fit.window",
            "take --fit.step plain and no window, or --penalty.name synaptic",
        )
    if penalty.of_trials and run.fit.window is not None:
        raise UnsupportedError(
            f"the {name_of(penalty)} penalty, which reads all time steps of a neuron at once",
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
