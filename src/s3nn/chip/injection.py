"""Layers whose values are those that a chip measured, and whose gradients are the model's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s3nn.clock import Scan
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron, TemporalNeuron
from s3nn.neurons.cuba import Cuba
from s3nn.neurons.fire import Fire
from s3nn.neurons.integrator import Integrator
from s3nn.surrogates.base import spike


def inject(model: Tensor, measured: Tensor) -> Tensor:
    """The values that were measured, with the gradient of what the model computed.

    Source: Cramer et al., PNAS 119 (2022); ``unterjubel`` of the authors' code.

    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> y = inject(3 * x, torch.tensor([5.0]))
    >>> y.backward()
    >>> y.item(), x.grad.item()
    (5.0, 3.0)
    """
    # Added to a zero that carries the gradient: the value is exactly the measured one.
    return measured + (model - model.detach())


@dataclass(frozen=True)
class Measured:
    """What a chip told of a layer, in the model's units, of the layer's shape.

    potential: v of every step (T, N, n); where one step was asked for, (1, N, n).
    spikes: 1 where a neuron fired, of the same shape; of a read-out there are none.
    """

    potential: Tensor
    spikes: Tensor | None


class MeasuredScan(Scan):
    """``cuba`` or ``integrator`` neurons on a chip, going through T steps.

    With x the model's current and ``<-`` "takes the value that was measured, keeps the gradient"::

        I[t] = a I[t-1] + x[t]
        u[t] = b v[t-1] + I[t]      v[t] <- u[t]
        s[t] = 1[v[t] > theta]      s[t] <- s[t]

    There is no reset: what was measured has it.  Where no gradient is asked for, nothing is
    computed.
    """

    def __init__(self, neuron: TemporalNeuron, steps: int) -> None:
        super().__init__(neuron, steps)
        self.measured: Measured | None = None

    def potential(self, current: Tensor) -> Tensor:
        """What was measured of the batch that went through last."""
        assert self.measured is not None
        return self.measured.potential.flatten(0, 1)

    def forward(self, current: Tensor) -> Tensor:
        measured, neuron = self.measured, self.neuron
        assert measured is not None, "the chip runs before its layers"
        assert isinstance(neuron, (Cuba, Integrator))
        out = measured.potential if measured.spikes is None else measured.spikes
        if not torch.is_grad_enabled():
            return out.flatten(0, 1)
        x = current.unflatten(0, (self.steps, -1))
        a, b = neuron.synaptic(x[0]), neuron.leak(x[0])
        synaptic, v = torch.zeros_like(x[0]), torch.zeros_like(x[0])
        found = []
        for t in range(self.steps):
            synaptic = a * synaptic + x[t]
            v = inject(b * v + synaptic, measured.potential[t])
            if measured.spikes is None:
                found.append(v)
                continue
            assert isinstance(neuron, Cuba)
            s = spike(v, neuron.threshold(v), neuron.surrogate)
            found.append(inject(s, measured.spikes[t]))
        return torch.cat(found)


class MeasuredFire(Fire):
    """Single-step neurons on a chip: u is the model's current, s and u take what was measured.

    A neuron that fired was reset before its potential peaked, so that its u is the model's, at
    least theta; that of a silent one is measured, at most theta.
    """

    def __init__(self, fire: Fire) -> None:
        Neuron.__init__(self)
        self.threshold, self.surrogate = fire.threshold, fire.surrogate
        self.measured: Measured | None = None

    def potential(self, current: Tensor) -> Tensor:
        assert self.measured is not None
        assert self.measured.spikes is not None
        u, fired = self.measured.potential[0], self.measured.spikes[0] > 0
        theta = self.threshold(u)
        known = torch.where(fired, current.detach().maximum(theta), u.minimum(theta))
        return inject(current, known)

    def forward(self, current: Tensor) -> Tensor:
        assert self.measured is not None, "the chip runs before its layers"
        assert self.measured.spikes is not None
        if not torch.is_grad_enabled():
            return self.measured.spikes[0]
        u = self.potential(current)
        s = spike(u, self.threshold(u), self.surrogate)
        return inject(s, self.measured.spikes[0])


class MeasuredOutput(Neuron):
    """The outputs of a single step as the potentials that a chip measured."""

    emits = Edge.ANALOG

    def __init__(self) -> None:
        super().__init__()
        self.measured: Measured | None = None

    def forward(self, current: Tensor) -> Tensor:
        assert self.measured is not None, "the chip runs before its layers"
        return inject(current, self.measured.potential[0])


Injected = MeasuredScan | MeasuredFire | MeasuredOutput
