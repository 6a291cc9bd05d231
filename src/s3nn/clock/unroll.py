"""A single-step model run for T steps."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.ir import Edge
from s3nn.neurons.base import Neuron, TemporalNeuron


class Scan(nn.Module):
    """Temporal neurons that go through the T steps of a folded sequence (T N, C, ...)."""

    def __init__(self, neuron: TemporalNeuron, steps: int) -> None:
        super().__init__()
        self.neuron, self.steps = neuron, steps

    @property
    def emits(self) -> Edge:
        return self.neuron.emits

    def forward(self, current: Tensor) -> Tensor:
        return self.neuron.run(current.unflatten(0, (self.steps, -1))).flatten(0, 1)

    def potential(self, current: Tensor) -> Tensor:
        """The membrane potential of every step, folded as ``current`` is."""
        return self.neuron.potentials(current.unflatten(0, (self.steps, -1))).flatten(0, 1)


class Unroll(nn.Module):
    """A model with an encode, features and a read-out, run for T steps.

    Direct coding: the image is shown at every step, so that its current is the same at every step
    and is computed once.  Between the layers the steps are folded into the batch, (T N, C, ...);
    only temporal neurons see them apart.  Read-out: the mean of the logits over the steps.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        super().__init__()
        self.encode, self.features, self.readout = (
            model.get_submodule(name) for name in ("encode", "features", "readout")
        )
        self.input_shape = getattr(model, "input_shape", None)
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        current = self.encode(x)
        every_step = torch.cat([current] * self.steps)
        logits: Tensor = self.readout(self.features(every_step))
        return logits.unflatten(0, (self.steps, -1)).mean(0)


def unroll(model: nn.Module, steps: int) -> nn.Module:
    """A copy of ``model`` that runs for ``steps`` time steps; with one step, a plain copy.

    >>> import torch
    >>> from s3nn.models import Mlp, Parts
    >>> net = unroll(Mlp((1, 8, 8), classes=10, parts=Parts(neuron="lif")), steps=4)
    >>> net(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    if steps < 1:
        raise UsageError(f"a network runs for 1 step or more, got {steps}")
    model = copy.deepcopy(model)
    if steps == 1:
        return model
    missing = {"encode", "features", "readout"} - {name for name, _ in model.named_children()}
    if missing:
        raise UnsupportedError(
            f"unrolling a model without {', '.join(sorted(missing))}",
            type(model).__name__,
            "derive it from s3nn.models.SpikingModel",
        )
    temporal = [n for n, m in model.named_modules() if isinstance(m, TemporalNeuron)]
    if not temporal and any(isinstance(m, Neuron) for m in model.modules()):
        raise UsageError(
            f"none of this model's neurons has a memory, so {steps} steps would repeat one step "
            f"{steps} times: use steps=1, or a temporal neuron such as lif"
        )
    for name in temporal:
        parent, _, child = name.rpartition(".")
        neuron = model.get_submodule(name)
        assert isinstance(neuron, TemporalNeuron)
        setattr(model.get_submodule(parent), child, Scan(neuron, steps))
    return Unroll(model, steps)
