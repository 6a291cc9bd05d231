"""What a neuron is: from a current to what the next layer reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge

Pool = Literal["current", "charge"]


class Neuron(nn.Module, ABC):
    """A layer of neurons without memory: ``forward(current) -> output``, shape (N, C, ...) kept.

    ``emits`` declares what its output edge carries.  Every concrete neuron takes ``channels``, the
    size C of axis 1, for parameters that are held a channel.
    """

    emits: ClassVar[Edge]

    @abstractmethod
    def forward(self, current: Tensor) -> Tensor:
        """The neurons' output for one input ``current`` of shape (N, C, ...)."""

    def potential(self, current: Tensor) -> Tensor:
        """The membrane potential that ``current`` gives, of the same shape, before any reset."""
        return current


class TemporalNeuron(Neuron):
    """A layer of neurons with memory.  The memory is passed along and never kept in the module.

    ``run`` goes through a sequence of shape (T, N, C, ...), starting at rest.  Called as a plain
    module, the neurons run a single step from rest.  ``states`` is how many values a neuron keeps
    from one step to the next, and ``potential_bits`` the size of one.

    ``takes_times`` is true of neurons behind the outputs that take a gradient for that of their
    spike times.  ``pool`` is what max-pools between layers of them compare: the ``current`` of each
    step, or the ``charge`` that was gathered until then (see ``s3nn.clock.pools``).
    """

    states: ClassVar[int] = 1
    takes_times: bool = False
    potential_bits: float = 32
    pool: Pool = "current"

    @abstractmethod
    def run(self, current: Tensor) -> Tensor:
        """All steps of ``current`` (T, N, C, ...), from rest; the outputs have the same shape."""

    @abstractmethod
    def potentials(self, current: Tensor) -> Tensor:
        """The membrane potential u of every step of ``current`` (T, N, C, ...), before resets."""

    def forward(self, current: Tensor) -> Tensor:
        return self.run(current.unsqueeze(0)).squeeze(0)

    def potential(self, current: Tensor) -> Tensor:
        return self.potentials(current.unsqueeze(0)).squeeze(0)


class SteppedNeuron(TemporalNeuron):
    """A temporal neuron whose gradient is that of its steps: ``step`` is one tick of time.

    A state is a tensor, or a tuple of them, of the current's shape.
    """

    @abstractmethod
    def charge(self, current: Tensor, state: Any) -> Tensor:
        """The membrane potential u, from the current (N, C, ...) and the state before it."""

    @abstractmethod
    def step(self, current: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: current (N, C, ...) and the state before it (``None``: at rest)."""

    def potentials(self, current: Tensor) -> Tensor:
        found: list[Tensor] = []
        state = None
        for step_current in current.unbind(0):
            found.append(self.charge(step_current, state))
            _, state = self.step(step_current, state)
        return torch.stack(found)

    def run(self, current: Tensor) -> Tensor:
        return self.advance(current, None)[0]

    def advance(self, current: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Some steps (T, N, C, ...) from the state before them: outputs, and the state after."""
        outputs = []
        for step_current in _steps(current):
            output, state = self.step(step_current, state)
            outputs.append(output)
        if len(outputs) == 1:
            return outputs[0].unsqueeze(0), state
        # cat, not stack: it keeps a channels-last layout, which the next convolution wants.
        return torch.cat(outputs).unflatten(0, current.shape[:2]), state


def _steps(current: Tensor) -> tuple[Tensor, ...]:
    """``current.unbind(0)``, whose gradient is put together in the layout of the steps' gradients.

    That of unbind is stacked, which loses a channels-last layout: batch-norm and convolution in
    front of the neurons took twice as long for it.
    """
    return current.flatten(0, 1).split(current.shape[1])


class PairedNeuron(TemporalNeuron):
    """A temporal neuron that sends two gradients down: of its spikes, and of their times.

    What is between two layers of them has to be linear and without bias: zeros that go along with
    the spikes come out as zeros, are worth nothing to the weights, and carry the gradient of times
    back through them.  See ``s3nn.clock.pairs``.
    """

    @abstractmethod
    def paired(
        self, current: Tensor, timing: Tensor | None, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Spikes and zeros for their times, from the current and zeros (T, N, C, ...) each.

        ``timing`` is absent in the first layer; ``last`` neurons give one output with one gradient.
        """


class TimedNeuron(SteppedNeuron):
    """A neuron that fires once at most and learns from the times of spikes in front and behind.

    Its weights are a part of it: their gradient is a matter of both times, and not one of the
    current.  Between layers of such neurons go times, in steps; inf is silence (see
    ``s3nn.clock.timed``).  ``threshold`` is one a layer.

    ``start`` says where the weights start: uniform in 0 .. start theta / fan-in.  Neurons that
    fire for less than the share ``redraw`` of an epoch's samples are drawn anew from there.  With
    ``balance`` the gradient of a neuron's weights has its mean over them taken out.
    """

    threshold: Threshold
    start: float
    redraw: float
    balance: bool

    @abstractmethod
    def pairing(self, before: Tensor, after: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """K and C of pairs of spikes at t_i (``before``) and t_j (``after``), which broadcast.

        The gradient of a weight is -e_j K(t_i, t_j), e_j = dE/dt_j; that of the time in front of
        it, which it hands down, is e_j w C(t_i, t_j).
        """


class Threshold(nn.Module):
    """A firing threshold theta > 0: fixed or learned, one a layer or one a channel.

    A learned threshold is held as ``log theta``, so that it stays positive whatever the optimiser
    does.  ``forward(u)`` gives theta in a shape that broadcasts to u (N, C, ...).

    >>> Threshold(0.5, learn=False, channels=None)(torch.zeros(2, 3)).item()
    0.5
    """

    def __init__(self, value: float, *, learn: bool, channels: int | None) -> None:
        super().__init__()
        if not value > 0:
            raise UsageError(f"a threshold must be > 0, got {value}: silence needs a place to be")
        least, most = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max
        if not least <= value <= most:
            raise UsageError(
                f"a threshold is a number of 32 bits, {least:.3g} to {most:.3g}, got {value}"
            )
        shape = () if channels is None else (channels,)
        start = torch.full(shape, float(value))
        self.log_value = nn.Parameter(start.log()) if learn else None
        self.register_buffer("fixed", None if learn else start)

    def value(self) -> Tensor:
        """theta, of shape () or (C,)."""
        if self.log_value is not None:
            return self.log_value.exp()
        fixed: Tensor = self.get_buffer("fixed")
        return fixed

    def set_(self, value: Tensor) -> None:
        """Overwrite theta in place (positive, broadcastable to its shape)."""
        if not bool((value > 0).all()):
            raise UsageError(f"a threshold must be > 0, got {value.min().item()}")
        with torch.no_grad():
            if self.log_value is not None:
                self.log_value.copy_(value.log())
            else:
                self.get_buffer("fixed").copy_(value)

    def forward(self, u: Tensor) -> Tensor:
        theta = self.value()
        return theta.view(-1, *[1] * (u.ndim - 2)) if theta.ndim else theta


def threshold_of(value: float, learn: bool, per_channel: bool, channels: int | None) -> Threshold:
    """The threshold that a neuron's options describe."""
    if per_channel and channels is None:
        raise UsageError("per_channel thresholds need the number of channels: pass channels=C")
    return Threshold(value, learn=learn, channels=channels if per_channel else None)
