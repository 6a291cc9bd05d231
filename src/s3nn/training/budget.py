"""What a network may spend, held during training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s3nn.config import Budget
from s3nn.energy import PRICE_LISTS
from s3nn.energy.spending import Spending, of_energy, of_firing_rate, of_spikes
from s3nn.errors import UnsupportedError, UsageError

# The goal stands a little under the budget, so that an epoch that meets the one meets the other.
MARGIN = 0.975
# The goal reaches its place after this share of the training.
RAMP = 0.7
# The logarithm of the price moves by so much over a training that spends twice its goal.
GAIN, MOST_A_STEP = 40.0, 0.1
START, LEAST, MOST = 0.3, 1e-4, 10.0
# What is pushed with beyond the price: so many times the error, above the goal and below it.
PUSH, LET_GO = 20.0, 60.0
BELOW, ABOVE = -0.1, 0.12
# The mean of what steps spend follows them by so much a step, the drift the validation by so much
# an epoch: by more in a training of a few.
RECENT, FOLLOW, FOLLOWS = 0.1, 2.5, (0.15, 0.8)
DRIFTS = (0.5, 2.0)


def spending_of(budget: Budget, network: nn.Module, shape: tuple[int, ...]) -> Spending:
    """What ``budget`` limits, as a function of the spikes of ``network``."""
    match budget.limit:
        case "firing_rate", _:
            return of_firing_rate(network, shape)
        case "spikes", _:
            return of_spikes(network, shape)
        case "energy_pj", _:
            return of_energy(network, shape, PRICE_LISTS[budget.prices])
    raise UnsupportedError(
        "a budget of latency that was not calibrated",
        "budget.latency_us",
        "train with s3nn.experiment.train, which compiles the network and times it first",
    )


def check_feasible(budget: Budget, spending: Spending) -> None:
    """A ``UsageError`` for a budget that is spent before the first spike."""
    assert budget.limit is not None
    name, most = budget.limit
    if spending.fixed < most:
        return
    by = f" by {budget.prices}" if name == "energy_pj" else ""
    raise UsageError(
        f"budget.{name}={most:g} cannot be met: without a single spike an inference of this "
        f"network takes {spending.fixed:.6g} {spending.unit}{by}; allow more than that, or make "
        "the network narrower (--model.width)"
    )


class Multiplier(nn.Module):
    """The price lambda of spikes that a budget asks for: dual ascent on ``spent <= goal``.

    The loss is ``L + lambda exp(k e) (spent / goal - 1)``, of what is spent on spikes alone, with
    the error ``e = spent / goal - 1``.  Before each of a training's ``steps``, e clipped to -1..1,
    ``lambda <- lambda exp(GAIN e / steps)``: the price rises while the network spends too much and
    falls while it could spend more, by ratios, since what it has to be is not known within a factor
    of ten.  ``exp(k e)``, of the mean over the last steps, acts at once: a network that fires less
    than it may is let go (``k = LET_GO``), because spikes are lost more easily than won back.

    The goal comes down from what is spent first to ``MARGIN allowed`` over the first ``RAMP`` of
    the training, as the ratio of the two to the power of ``(1 - t)^2``: a goal far below would
    drive the price to where the network falls silent, and it takes long to come back (docs/LOG.md);
    one that comes to rest slowly is not run past.  A training step, with the statistics of its
    batch and images that are moved about, spends otherwise than a validation does: the goal of the
    steps is divided by the drift, what the validation spent over what the steps before it did, a
    mean over the last epochs.

    What is remembered lies in buffers, so that a resumed run goes on with it.
    Source: Bertsekas, "Constrained Optimization and Lagrange Multiplier Methods", 1982 (the
    ascent); its exponential form, the factor and the drift are our choice.

    >>> price = Multiplier(0.05)
    >>> price.update(torch.tensor(0.194), step=0, steps=1000)  # the goal starts at the rate
    >>> price.update(torch.tensor(0.194), step=350, steps=1000); round(price.value.item(), 3)
    0.312
    """

    value: Tensor
    pushed: Tensor
    first: Tensor
    goal: Tensor
    recent: Tensor
    drift: Tensor

    def __init__(self, allowed: float) -> None:
        super().__init__()
        self.last_goal = MARGIN * allowed
        self.register_buffer("value", torch.tensor(START))
        self.register_buffer("pushed", torch.tensor(START))
        self.register_buffer("first", torch.zeros(()))
        self.register_buffer("goal", torch.ones(()))
        self.register_buffer("recent", torch.zeros(()))
        self.register_buffer("drift", torch.ones(()))

    def forward(self, spent: Tensor) -> Tensor:
        """What ``spent`` adds to the loss."""
        return self.pushed.clone() * (spent / self.goal.clone() - 1).float()

    @torch.no_grad()
    def update(self, spent: Tensor, step: int, steps: int) -> None:
        """Before ``step`` of the ``steps`` of a training, which ``spent`` so much."""
        spent = spent.detach().float()
        if self.first == 0:
            self.first.copy_(spent.clamp(min=self.last_goal))
            self.recent.copy_(spent)
        self.recent.lerp_(spent, RECENT)
        left = max(0.0, 1 - step / steps / RAMP)
        self.goal.copy_(self.last_goal * (self.first / self.last_goal) ** left**2 / self.drift)
        error = (spent / self.goal - 1).clamp(-1, 1)
        self.value.mul_(torch.exp(min(GAIN / steps, MOST_A_STEP) * error)).clamp_(LEAST, MOST)
        error = (self.recent / self.goal - 1).clamp(BELOW, ABOVE)
        self.pushed.copy_(self.value * torch.exp(torch.where(error > 0, PUSH, LET_GO) * error))

    @torch.no_grad()
    def validated(self, spent: Tensor, epochs: int) -> None:
        """After one of ``epochs``, whose validation ``spent`` so much."""
        if self.recent > 0:
            drift = (spent.float() / self.recent).clamp(*DRIFTS)
            least, most = FOLLOWS
            self.drift.lerp_(drift, min(max(FOLLOW / epochs, least), most))
